import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { ConfigError, loadConfig, type RepositoryConfig } from "../lib/config.ts";
import {
  configOf,
  type Given,
  outcomeOf,
  problemsIn,
  sourcesOf,
} from "./support/config_sources.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";
import { textOf } from "./support/texts.ts";

const ROOT_KEYS =
  "listen, admin, state, tls, trusted_proxies, concurrency, body_limit, log, repositories";
const KEYS = "path, provider, secret, allow_sha1, signature_header, accept, remote, branch, " +
  "tags, strategy, keep, shared, submodules, depth, ssh_key, known_hosts, credentials, hooks, touch, " +
  "poll, timeout, allow_from";
const PROVIDERS = "coding, github, gitlab, gitee, gitea, forgejo, gogs, bitbucket, " +
  "bitbucket-server, cnb, gongfeng, codeup, azure, standard";
const PATH = 'an absolute path other than "/", without "." and ".." in it';
const SECRET = "a text, { file: PATH }, { env: HOOK_SECRET_… }, { credential: NAME }, " +
  "or a list of these; a number needs quotes";
const ITEM = "a text, { file: … }, { env: … } or { credential: … }";
const USABLE = "a secret of one line, not empty";
const NETWORK = "an address or a network such as 192.0.2.0/24 or 2001:db8::/32";
const LISTEN = 'HOST:PORT, "[V6]:PORT", unix:/PATH with a path of at most 107 bytes, or none';
const REMOTE =
  "https://…, http://…, ssh://…, git://…, file://…, user@host:path or an absolute path";
const NO_PASSWORD = "a URL without a password, which would show in process lists; " +
  "use a deploy key or git's credential store";
const DURATION = "a duration such as 90s or 10m, from 1s to 24h";
const NAME = "this name is not usable in a URL; allowed: lower-case letters, digits, dot, dash " +
  "and underscore, up to 64, the first a letter or digit";
const YAML_LINE = 'not valid YAML: neither KEY: VALUE nor "- ITEM", or not indented as its ' +
  'neighbours; a text with ": " in it or with a special character first needs quotes';

/** Lines of a repository, from line 3 on, as a document. */
function app(...lines: string[]): string {
  return ["repositories:", "  app:", ...lines.map((line) => `    ${line}`), ""].join("\n");
}

/** The document of `app()` with a path and a secret in lines 3 and 4. */
function appWith(...lines: string[]): string {
  return app("path: /srv/app", "secret: change-me", ...lines);
}

/** A good repository in one line, for documents about something else. */
const GOOD = "repositories: { app: { path: /srv/app, secret: change-me } }";

interface Refusal {
  readonly name: string;
  readonly yaml: string;
  /** Every message, without "hook.yaml". */
  readonly says: readonly string[];
  readonly given?: Given;
}

const REFUSALS: readonly Refusal[] = [
  // The document.
  {
    name: "an empty file",
    yaml: "",
    says: [": found nothing; allowed: a map of keys, with at least repositories"],
  },
  {
    name: "a text",
    yaml: "hunter2\n",
    says: [": found a text; allowed: a map of keys, with at least repositories"],
  },
  {
    name: "a list",
    yaml: "- app\n",
    says: [": found a list; allowed: a map of keys, with at least repositories"],
  },
  {
    name: "no repositories",
    yaml: "concurrency: 2\n",
    says: [': "repositories" is missing'],
  },
  {
    name: "repositories without anything",
    yaml: "concurrency: 2\nrepositories:\n",
    says: [":2: repositories: found nothing; allowed: a map from names to repositories"],
  },
  {
    name: "no repository",
    yaml: "repositories: {}\n",
    says: [":1: repositories: found an empty map; allowed: at least one repository"],
  },
  {
    name: "an empty list of repositories",
    yaml: "repositories: []\n",
    says: [":1: repositories: found an empty list; allowed: a map from names to repositories"],
  },
  {
    name: "a list of repositories",
    yaml: "repositories:\n  - path: /srv/app\n    secret: hunter2\n",
    says: [":1: repositories: found a list; allowed: a map from names to repositories"],
  },
  {
    name: "the keys of a repository without its name",
    yaml: "repositories:\n  path: /srv/app\n  secret: hunter2\n",
    says: [
      ":2: repositories.path: found a text; allowed: a map of the repository's keys",
      ":3: repositories.secret: found a text; allowed: a map of the repository's keys",
    ],
  },
  {
    name: "several unknown keys at once, with and without a suggestion",
    yaml: `liste: 0.0.0.0:80\nproxies: []\nTLS: {}\n${GOOD}\n`,
    says: [
      `:1: liste: unknown key, did you mean "listen"?; allowed: ${ROOT_KEYS}`,
      `:2: proxies: unknown key; allowed: ${ROOT_KEYS}`,
      `:3: TLS: unknown key, did you mean "tls"?; allowed: ${ROOT_KEYS}`,
    ],
  },
  {
    name: "repositories misspelt",
    yaml: "repository:\n  app:\n    path: /srv/app\n    secret: hunter2\n",
    says: [
      ': "repositories" is missing',
      `:1: repository: unknown key, did you mean "repositories"?; allowed: ${ROOT_KEYS}`,
    ],
  },
  // The keys of the whole.
  {
    name: "a listen that is no address",
    yaml: `listen: localhost\n${GOOD}\n`,
    says: [`:1: listen: found "localhost"; allowed: ${LISTEN}`],
  },
  {
    name: "a listen that is a number",
    yaml: `listen: 17838\n${GOOD}\n`,
    says: [`:1: listen: found the number 17838; allowed: ${LISTEN}`],
  },
  {
    name: "a listen with a port that is none",
    yaml: `listen: 0.0.0.0:99999\n${GOOD}\n`,
    says: [`:1: listen: found "0.0.0.0:99999"; allowed: ${LISTEN}`],
  },
  {
    name: "an IPv6 listen without quotes",
    yaml: `listen: [::]:17838\n\n# the rest\n${GOOD}\n`,
    says: [`:1: ${YAML_LINE}`],
  },
  {
    name: "tls that is a switch",
    yaml: `tls: true\n${GOOD}\n`,
    says: [":1: tls: found a boolean; allowed: { cert: FILE, key: FILE }"],
  },
  {
    name: "tls that is a list",
    yaml: `tls: []\n${GOOD}\n`,
    says: [":1: tls: found an empty list; allowed: { cert: FILE, key: FILE }"],
  },
  {
    name: "tls with one file, and a relative one",
    yaml: `tls:\n  cert: cert.pem\n${GOOD}\n`,
    says: [
      ':1: tls: "key" is missing',
      `:2: tls.cert: found "cert.pem"; allowed: ${PATH}`,
    ],
  },
  {
    name: "tls with misspelt keys",
    yaml: `tls: { ert: /c, ky: /k }\n${GOOD}\n`,
    says: [
      ':1: tls: "cert" is missing',
      ':1: tls: "key" is missing',
      ':1: tls.ert: unknown key, did you mean "cert"?; allowed: cert, key',
      ':1: tls.ky: unknown key, did you mean "key"?; allowed: cert, key',
    ],
  },
  {
    name: "tls with files that are missing or no PEM",
    yaml: `tls:\n  cert: /cert\n  key: /key\n${GOOD}\n`,
    given: { files: { "/key": "hunter2" } },
    says: [
      ':2: tls.cert: found the file "/cert", which cannot be read: it does not exist; ' +
      "allowed: a file in PEM",
      ':3: tls.key: found the file "/key", which is not PEM; allowed: a file in PEM',
    ],
  },
  {
    name: "trusted_proxies that are no list",
    yaml: `trusted_proxies: unix\n${GOOD}\n`,
    says: [`:1: trusted_proxies: found "unix"; allowed: a list of: ${NETWORK}, or unix`],
  },
  {
    name: "trusted_proxies that are empty",
    yaml: `trusted_proxies: []\n${GOOD}\n`,
    says: [`:1: trusted_proxies: found an empty list; allowed: at least one: ${NETWORK}, or unix`],
  },
  {
    name: "trusted_proxies that are names, numbers or too long a prefix",
    yaml: `trusted_proxies:\n- proxy.example\n- 10.1\n- 10.0.0.0/33\n${GOOD}\n`,
    says: [
      `:2: trusted_proxies, item 1: found "proxy.example"; allowed: ${NETWORK}, or unix`,
      `:3: trusted_proxies, item 2: found the number 10.1; allowed: ${NETWORK}, or unix`,
      `:4: trusted_proxies, item 3: found "10.0.0.0/33"; allowed: ${NETWORK}, or unix`,
    ],
  },
  ...["0", "65", "1.5", "-1"].map((number) => ({
    name: `a concurrency of ${number}`,
    yaml: `concurrency: ${number}\n${GOOD}\n`,
    says: [`:1: concurrency: found the number ${number}; allowed: a whole number from 1 to 64`],
  })),
  {
    name: "a concurrency in quotes",
    yaml: `concurrency: "4"\n${GOOD}\n`,
    says: [':1: concurrency: found "4"; allowed: a whole number from 1 to 64'],
  },
  ...['"5MB"', '"1023B"', '"65MiB"', '"5 MiB"', "5"].map((size) => ({
    name: `a body limit of ${size}`,
    yaml: `body_limit: ${size}\n${GOOD}\n`,
    says: [
      `:1: body_limit: found ${size === "5" ? "the number 5" : size.replace(" MiB", " …")}; ` +
      "allowed: a size such as 512KiB or 5MiB, from 1KiB to 64MiB",
    ],
  })),
  {
    name: "a log that is a text",
    yaml: `log: json\n${GOOD}\n`,
    says: [
      ":1: log: found a text; allowed: { format: text|json, level: debug|info|warning|error }",
    ],
  },
  {
    name: "a log that is a list",
    yaml: `log: []\n${GOOD}\n`,
    says: [
      ":1: log: found an empty list; " +
      "allowed: { format: text|json, level: debug|info|warning|error }",
    ],
  },
  {
    name: "a log with wrong values and misspelt keys",
    yaml: `log:\n  format: xml\n  level: 3\n  leve: debug\n  colour: true\n${GOOD}\n`,
    says: [
      ':2: log.format: found "xml"; allowed: text, json',
      ":3: log.level: found the number 3; allowed: debug, info, warning, error",
      ':4: log.leve: unknown key, did you mean "level"?; allowed: format, level',
      ":5: log.colour: unknown key; allowed: format, level",
    ],
  },
  // The keys of a repository.
  {
    name: "a repository without anything",
    yaml: "repositories:\n  app:\n",
    says: [":2: repositories.app: found nothing; allowed: a map of the repository's keys"],
  },
  {
    name: "a repository that is a text, such as a secret without a blank before it",
    yaml: app("secret:hunter2"),
    says: [":2: repositories.app: found a text; allowed: a map of the repository's keys"],
  },
  {
    name: "a repository that is a list",
    yaml: app("- path: /srv/app"),
    says: [":2: repositories.app: found a list; allowed: a map of the repository's keys"],
  },
  {
    name: "a repository without path and secret",
    yaml: app("branch: main"),
    says: [
      ':2: repositories.app: "path" is missing',
      ':2: repositories.app: "secret" is missing',
    ],
  },
  {
    name: "misspelt keys and keys of other programs",
    yaml: appWith("brnch: main", "notify: true", "Timeout: 1m"),
    says: [
      `:5: repositories.app.brnch: unknown key, did you mean "branch"?; allowed: ${KEYS}`,
      `:6: repositories.app.notify: unknown key; allowed: ${KEYS}`,
      `:7: repositories.app.Timeout: unknown key, did you mean "timeout"?; allowed: ${KEYS}`,
    ],
  },
  ...["srv/app", "~/app", "./app", "/", "/srv/../app"].map((path) => ({
    name: `a path of ${path}`,
    yaml: app(`path: ${path}`, "secret: hunter2"),
    says: [`:3: repositories.app.path: found "${path}"; allowed: ${PATH}`],
  })),
  {
    name: "a path that is a list",
    yaml: app("path: [/srv/app]", "secret: hunter2"),
    says: [`:3: repositories.app.path: found a list; allowed: ${PATH}`],
  },
  {
    name: "a provider that does not exist",
    yaml: appWith("provider: codng"),
    says: [
      `:5: repositories.app.provider: found "codng"; allowed: ${PROVIDERS}`,
    ],
  },
  {
    name: "options of a forge with wrong values",
    yaml: appWith("provider: github", "allow_sha1: yes", "signature_header: X Y"),
    says: [
      ':6: repositories.app.allow_sha1: found "yes"; allowed: true, false',
      ':7: repositories.app.signature_header: found "X …"; ' +
      "allowed: a header's name: letters, digits and dashes",
      ':7: repositories.app.signature_header: found with "provider: github"; ' +
      'allowed: with "provider: cnb"',
    ],
  },
  {
    name: "an accept that is no list, or empty",
    yaml: "repositories:\n  a: { path: /a, accept: github }\n  b: { path: /b, accept: [] }\n",
    says: [
      ':2: repositories.a.accept: found "github"; allowed: a list of { provider, secret }',
      ":3: repositories.b.accept: found an empty list; allowed: a list of { provider, secret }",
    ],
  },
  {
    name: "an accept with wrong items, without repeating a secret",
    yaml: app(
      "path: /srv/app",
      "accept:",
      "  - hunter2",
      "  - secret: { file: hunter2 }",
      "  - { provider: coding, secrt: hunter2 }",
      "  - provider: coding",
      "    secret: ''",
    ),
    says: [
      ":5: repositories.app.accept, item 1: found a text; allowed: a map with provider and secret",
      ':6: repositories.app.accept, item 2: "provider" is missing',
      `:6: repositories.app.accept, item 2, secret, file: found a text; allowed: ${PATH}`,
      ':7: repositories.app.accept, item 3: "secret" is missing',
      ':7: repositories.app.accept, item 3, secrt: unknown key, did you mean "secret"?; ' +
      "allowed: provider, secret, allow_sha1, signature_header",
      ":9: repositories.app.accept, item 4, secret: found a text, which is empty; " +
      `allowed: ${USABLE}`,
    ],
  },
  {
    name: "a remote like an option",
    yaml: appWith("remote: --upload-pack=x"),
    says: [
      ':5: repositories.app.remote: found "--upload-pack=x"; ' +
      "allowed: a URL; this one would be taken for an option",
    ],
  },
  {
    name: "a remote that runs a program",
    yaml: appWith("remote: ext::sh"),
    says: [`:5: repositories.app.remote: found "ext::sh"; allowed: ${REMOTE}`],
  },
  {
    name: "a remote with a password, without repeating it",
    yaml: appWith("remote: https://user:hunter2@example.com/app.git"),
    says: [
      ':5: repositories.app.remote: found "https://…@example.com/app.git"; ' +
      `allowed: ${NO_PASSWORD}`,
    ],
  },
  {
    name: "remotes that are misspelt, without repeating a token or a password",
    yaml: [
      "repositories:",
      "  a: { path: /a, secret: x, remote: 'htps://hunter2@example.com/app.git' }",
      "  b: { path: /b, secret: x, remote: 'htps://u:hunter2 hunter2@h/x' }",
      "  c: { path: /c, secret: x, remote: 'u:hunter2@h:x' }",
      "",
    ].join("\n"),
    says: [
      `:2: repositories.a.remote: found "htps://…@example.com/app.git"; allowed: ${REMOTE}`,
      `:3: repositories.b.remote: found "htps:// …"; allowed: ${REMOTE}`,
      `:4: repositories.c.remote: found "…@h:x"; allowed: ${NO_PASSWORD}`,
    ],
  },
  {
    name: "a remote with a control character",
    yaml: appWith('remote: "https://example.com/\\e[31m"'),
    says: [
      ':5: repositories.app.remote: found "https://example.com/ [31m"; ' +
      "allowed: a URL without control characters",
    ],
  },
  {
    name: "a branch that is a number",
    yaml: appWith("branch: 1.10"),
    says: [
      ":5: repositories.app.branch: found the number 1.1; " +
      "allowed: the name of a branch, in quotes where it looks like a number",
    ],
  },
  {
    name: "a branch that is a boolean",
    yaml: appWith("branch: true"),
    says: [
      ":5: repositories.app.branch: found the boolean true; " +
      "allowed: the name of a branch, in quotes where it looks like a number",
    ],
  },
  ...["--force", "a..b", "HEAD"].map((branch) => ({
    name: `a branch of ${branch}`,
    yaml: appWith(`branch: ${branch}`),
    says: [`:5: repositories.app.branch: found "${branch}"; allowed: the name of a branch`],
  })),
  {
    name: "a branch with a blank",
    yaml: appWith("branch: my branch"),
    says: [':5: repositories.app.branch: found "my …"; allowed: the name of a branch'],
  },
  {
    name: "a strategy that does not exist",
    yaml: appWith("strategy: merge"),
    says: [':5: repositories.app.strategy: found "merge"; allowed: pull, reset, release'],
  },
  {
    name: "a strategy that is a boolean",
    yaml: appWith("strategy: false"),
    says: [":5: repositories.app.strategy: found the boolean false; allowed: pull, reset, release"],
  },
  ...['"0s"', '"25h"', '"10min"', '"1h30m"', '""'].map((timeout) => ({
    name: `a timeout of ${timeout}`,
    yaml: appWith(`timeout: ${timeout}`),
    says: [`:5: repositories.app.timeout: found ${timeout}; allowed: ${DURATION}`],
  })),
  {
    name: "a timeout without a unit, and one without anything",
    yaml: appWith("timeout: 10") + "  two:\n    path: /two\n    secret: x\n    timeout:\n",
    says: [
      `:5: repositories.app.timeout: found the number 10; allowed: ${DURATION}`,
      `:9: repositories.two.timeout: found nothing; allowed: ${DURATION}`,
    ],
  },
  {
    name: "an allow_from that is no list",
    yaml: appWith("allow_from: 10.0.0.0/8"),
    says: [`:5: repositories.app.allow_from: found "10.0.0.0/8"; allowed: a list of: ${NETWORK}`],
  },
  {
    name: "an allow_from that is empty",
    yaml: appWith("allow_from: []"),
    says: [
      `:5: repositories.app.allow_from: found an empty list; allowed: at least one: ${NETWORK}`,
    ],
  },
  {
    name: "an allow_from with a wrong item",
    yaml: appWith("allow_from:", "  - 10.0.0.0/8", "  - unix"),
    says: [`:7: repositories.app.allow_from, item 2: found "unix"; allowed: ${NETWORK}`],
  },
  // Names.
  ...["App", "-app", "_app", "a/b", "../app"].map((name) => ({
    name: `a repository called ${name}`,
    yaml: `repositories:\n  ${name}: { path: /srv/app, secret: hunter2 }\n`,
    says: [`:2: repositories.${/^[\w-]+$/.test(name) ? name : `"${name}"`}: ${NAME}`],
  })),
  {
    name: "a repository whose name has a control character",
    yaml: 'repositories:\n  "a\\e[2Jb": { path: /srv/app, secret: hunter2 }\n',
    says: [`:1: repositories."a [2Jb": ${NAME}`],
  },
  // Secrets.
  {
    name: "an empty secret",
    yaml: app("path: /srv/app", "secret: ''"),
    says: [`:4: repositories.app.secret: found a text, which is empty; allowed: ${USABLE}`],
  },
  {
    name: "a secret without anything",
    yaml: app("path: /srv/app", "secret:"),
    says: [`:4: repositories.app.secret: found nothing; allowed: ${SECRET}`],
  },
  {
    name: "a secret that is a number",
    yaml: app("path: /srv/app", "secret: 8154930027"),
    says: [`:4: repositories.app.secret: found a number; allowed: ${SECRET}`],
  },
  {
    name: "a secret that is a boolean",
    yaml: app("path: /srv/app", "secret: true"),
    says: [`:4: repositories.app.secret: found a boolean; allowed: ${SECRET}`],
  },
  {
    name: "a secret with a line end in it",
    yaml: app("path: /srv/app", "secret: |", "  hunter2"),
    says: [
      ":4: repositories.app.secret: found a text with a line end in the secret; " +
      `allowed: ${USABLE}`,
    ],
  },
  {
    name: "a secret in braces, which makes it a key",
    yaml: app("path: /srv/app", "secret: {hunter2}"),
    says: [
      ":4: repositories.app.secret: found a map with an unknown key; " +
      "allowed: file, env, credential",
    ],
  },
  {
    name: "a place of a secret with a misspelt key",
    yaml: app("path: /srv/app", "secret: { fil: /etc/hook/app }"),
    says: [
      ':4: repositories.app.secret: found a map with an unknown key, did you mean "file"?; ' +
      "allowed: file, env, credential",
    ],
  },
  {
    name: "a place of a secret without anything",
    yaml: app("path: /srv/app", "secret: {}"),
    says: [
      ":4: repositories.app.secret: found an empty map; " +
      "allowed: exactly one of file, env, credential",
    ],
  },
  {
    name: "two places of one secret",
    yaml: app("path: /srv/app", "secret: { file: /x, env: HOOK_SECRET_X }"),
    says: [
      ":4: repositories.app.secret: found a map; allowed: exactly one of file, env, credential",
    ],
  },
  {
    name: "a secret file that is relative",
    yaml: app("path: /srv/app", "secret: { file: secrets/app }"),
    says: [`:4: repositories.app.secret.file: found "secrets/app"; allowed: ${PATH}`],
  },
  {
    name: "a secret where its file is due, without repeating it",
    yaml: app("path: /srv/app", "secret:", "  file: hunter2"),
    says: [`:5: repositories.app.secret.file: found a text; allowed: ${PATH}`],
  },
  {
    name: "a variable with another name",
    yaml: app("path: /srv/app", "secret: { env: AWS_SECRET }"),
    says: [
      ':4: repositories.app.secret.env: found "AWS_SECRET"; ' +
      "allowed: a variable whose name begins with HOOK_SECRET_",
    ],
  },
  {
    name: "a credential that is a path",
    yaml: app("path: /srv/app", "secret: { credential: ../../etc/passwd }"),
    says: [
      ':4: repositories.app.secret.credential: found "../../etc/passwd"; ' +
      "allowed: a credential's name",
    ],
  },
  {
    name: "an empty list of secrets",
    yaml: app("path: /srv/app", "secret: []"),
    says: [":4: repositories.app.secret: found an empty list; allowed: at least one secret"],
  },
  {
    name: "a list of secrets with every wrong form at once",
    yaml: app(
      "path: /srv/app",
      "secret:",
      "- hunter2",
      "- 1",
      "- {hunter2}",
      "- file: secrets/app",
      "- env: HOME",
      "- [hunter2]",
      "-",
    ),
    says: [
      `:6: repositories.app.secret, item 2: found a number; allowed: ${ITEM}`,
      ":7: repositories.app.secret, item 3: found a map with an unknown key; " +
      "allowed: file, env, credential",
      `:8: repositories.app.secret, item 4, file: found "secrets/app"; allowed: ${PATH}`,
      ":9: repositories.app.secret, item 5, env: found a text; " +
      "allowed: a variable whose name begins with HOOK_SECRET_",
      `:10: repositories.app.secret, item 6: found a list; allowed: ${ITEM}`,
      `:11: repositories.app.secret, item 7: found nothing; allowed: ${ITEM}`,
    ],
  },
  {
    name: "secrets that are not where they should be",
    yaml: app(
      "path: /srv/app",
      "secret:",
      "  - ''",
      "  - { file: /none }",
      "  - { file: /denied }",
      "  - file: /folder",
      "  - { file: /empty }",
      "  - { file: /latin1 }",
      "  - env: HOOK_SECRET_NONE",
      "  - { env: HOOK_SECRET_EMPTY }",
      "  - credential: app",
    ),
    given: {
      env: { HOOK_SECRET_EMPTY: "" },
      files: {
        "/denied": new Deno.errors.PermissionDenied("hunter2"),
        "/folder": new Deno.errors.IsADirectory("hunter2"),
        "/empty": "\n",
        "/latin1": "hunter\ufffd",
      },
    },
    says: [
      `:5: repositories.app.secret, item 1: found a text, which is empty; allowed: ${USABLE}`,
      ':6: repositories.app.secret, item 2: found the file "/none", ' +
      `which cannot be read: it does not exist; allowed: ${USABLE}`,
      ':7: repositories.app.secret, item 3: found the file "/denied", ' +
      `which cannot be read: permission denied; allowed: ${USABLE}`,
      ':8: repositories.app.secret, item 4: found the file "/folder", ' +
      `which cannot be read: it is a directory; allowed: ${USABLE}`,
      ':9: repositories.app.secret, item 5: found the file "/empty", ' +
      `which is empty; allowed: ${USABLE}`,
      ':10: repositories.app.secret, item 6: found the file "/latin1", ' +
      `which is not UTF-8; allowed: ${USABLE}`,
      ":11: repositories.app.secret, item 7: found the environment variable HOOK_SECRET_NONE, " +
      `which is not set; allowed: ${USABLE}`,
      ":12: repositories.app.secret, item 8: found the environment variable HOOK_SECRET_EMPTY, " +
      `which is empty; allowed: ${USABLE}`,
      ':13: repositories.app.secret, item 9: found the credential "app", ' +
      `and systemd passed none; allowed: ${USABLE}`,
    ],
  },
  // Repositories and each other, and the listener.
  {
    name: "errors of several repositories and of the whole, in the file's order",
    yaml: [
      "repositories:",
      "  one:",
      "    secret: hunter2",
      "    brnch: main",
      "  two:",
      "    path: two",
      "    secret: ''",
      "concurrency: many",
      "",
    ].join("\n"),
    says: [
      ':2: repositories.one: "path" is missing',
      `:4: repositories.one.brnch: unknown key, did you mean "branch"?; allowed: ${KEYS}`,
      `:6: repositories.two.path: found "two"; allowed: ${PATH}`,
      `:7: repositories.two.secret: found a text, which is empty; allowed: ${USABLE}`,
      ':8: concurrency: found "many"; allowed: a whole number from 1 to 64',
    ],
  },
  {
    name: "two repositories with one path, and one around and one inside another's",
    yaml: [
      "repositories:",
      "  app: { path: /srv/app, secret: x }",
      "  same: { path: /srv//app/, secret: x }",
      "  inner: { path: /srv/app/media, secret: x }",
      "  near: { path: /srv/app2, secret: x }",
      "  outer: { path: /srv, secret: x }",
      "",
    ].join("\n"),
    says: [
      ':3: repositories.same.path: found "/srv/app", ' +
      'the same directory as the path of "app"; allowed: a directory of its own',
      ':4: repositories.inner.path: found "/srv/app/media", ' +
      'inside the path of "app"; allowed: a directory of its own',
      ':4: repositories.inner.path: found "/srv/app/media", ' +
      'inside the path of "same"; allowed: a directory of its own',
      ...["app", "same", "inner", "near"].map((name) =>
        ':6: repositories.outer.path: found "/srv", ' +
        `around the path of "${name}"; allowed: a directory of its own`
      ),
    ],
  },
  {
    name: "allow_from where no address can be known",
    yaml: `listen: unix:/run/hook.sock\n${appWith("allow_from: [10.0.0.0/8]")}`,
    says: [
      ":6: repositories.app.allow_from: found beside a unix socket, where no address is known; " +
      'allowed: beside "trusted_proxies: [unix]", where the proxy sends X-Forwarded-For',
    ],
  },
  {
    name: "tls on a unix socket",
    yaml: `listen: unix:/run/hook.sock\ntls: { cert: /c, key: /k }\n${GOOD}\n`,
    given: { files: { "/c": "-----BEGIN CERTIFICATE-----", "/k": "-----BEGIN PRIVATE KEY-----" } },
    says: [':2: tls: found beside a "listen" without TLS; allowed: beside "listen: HOST:PORT"'],
  },
  {
    name: "what the listener forbids, though other keys are wrong too",
    yaml: [
      "listen: unix:/run/hook.sock",
      "tls: { cert: /c }",
      "concurrency: 0",
      appWith("allow_from: [10.0.0.0/8]", "brnch: main"),
    ].join("\n"),
    says: [
      ':2: tls: "key" is missing',
      ':2: tls: found beside a "listen" without TLS; allowed: beside "listen: HOST:PORT"',
      ":3: concurrency: found the number 0; allowed: a whole number from 1 to 64",
      ":8: repositories.app.allow_from: found beside a unix socket, where no address is known; " +
      'allowed: beside "trusted_proxies: [unix]", where the proxy sends X-Forwarded-For',
      `:9: repositories.app.brnch: unknown key, did you mean "branch"?; allowed: ${KEYS}`,
    ],
  },
  // What belongs to the deployment engine.
  {
    name: "tags beside a branch",
    yaml: appWith("branch: main", "tags: v*"),
    says: [':6: repositories.app.tags: found beside "branch"; allowed: one of the two'],
  },
  ...["", "/v*", "-v*", "v..*", "v//*", "v[0-9]", "refs:*"].map((tags) => ({
    name: `tags "${tags}"`,
    yaml: appWith(`tags: ${JSON.stringify(tags)}`),
    says: [
      `:5: repositories.app.tags: found ${
        JSON.stringify(tags)
      }; allowed: a pattern of tags such as v*`,
    ],
  })),
  ...["0", "101", "1.5", "-1"].map((keep) => ({
    name: `keep ${keep}`,
    yaml: appWith(`keep: ${keep}`),
    says: [
      `:5: repositories.app.keep: found the number ${keep}; allowed: a whole number from 1 to 100`,
    ],
  })),
  ...["/etc/passwd", "../x", "a/../b", ".git", ".git/config", "a//b", "./a", "/"].map((entry) => ({
    name: `the shared entry ${entry}`,
    yaml: appWith("strategy: release", `shared: [ok/, ${JSON.stringify(entry)}]`),
    says: [
      `:6: repositories.app.shared, item 2: found ${JSON.stringify(entry)}; allowed: ` +
      'a list of paths inside a release, such as .env or media/, without "." and ".."',
    ],
  })),
  {
    name: "shared entries without releases",
    yaml: appWith("shared: [media/]"),
    says: [
      ':5: repositories.app.shared: found without "strategy: release"; allowed: with it',
    ],
  },
  ...["9s", "25h", "never"].map((poll) => ({
    name: `poll ${poll}`,
    yaml: appWith(`poll: ${poll}`),
    says: [
      `:5: repositories.app.poll: found "${poll}"; allowed: a duration from 10s to 24h, or off`,
    ],
  })),
  {
    name: "poll off where nothing listens",
    yaml: `listen: none\n${appWith("poll: off")}`,
    says: [
      ':6: repositories.app.poll: found off beside "listen: none", so nothing would be deployed; ' +
      "allowed: a duration",
    ],
  },
  {
    name: "submodules that are neither",
    yaml: appWith("submodules: all"),
    says: [':5: repositories.app.submodules: found "all"; allowed: true, false, recursive'],
  },
  // YAML.
  {
    name: "a key twice",
    yaml: appWith("branch: main", "", "branch: master"),
    says: [':7: not valid YAML: the key "branch" stands twice in one map'],
  },
  {
    name: "a repository twice",
    yaml: `${appWith()}  app:\n    path: /srv/other\n    secret: hunter2\n`,
    says: [':5: not valid YAML: the key "app" stands twice in one map'],
  },
  {
    name: "a secret twice in one line, without repeating it",
    yaml: app("{ path: /a, secret: hunter2, secret: hunter2 }"),
    says: [":3: not valid YAML: a key stands twice in one map"],
  },
  {
    name: "a tab in the indentation",
    yaml: "repositories:\n  app:\n    path: /srv/app\n\t  secret: hunter2\n",
    says: [":4: not valid YAML: a tab in the indentation; allowed: blanks"],
  },
  {
    name: "tabs for all indentation",
    yaml: "repositories:\r\n\tapp:\r\n\t\tpath: /srv/app\r\n",
    says: [":2: not valid YAML: a tab in the indentation; allowed: blanks"],
  },
  {
    name: "a secret that begins with *",
    yaml: app("path: /srv/app", "secret: *hunter2"),
    says: [
      ':4: not valid YAML: a word that begins with "*" refers to an anchor; ' +
      "a text that does needs quotes",
    ],
  },
  {
    name: "a secret that begins with !",
    yaml: app("path: /srv/app", "secret: !hunter2"),
    says: [
      ':4: not valid YAML: a word that begins with "!" is a tag; a text that does needs quotes',
    ],
  },
  {
    name: "a secret that begins with &",
    yaml: app("path: /srv/app", "secret: &hunter2"),
    says: [`:4: repositories.app.secret: found nothing; allowed: ${SECRET}`],
  },
  {
    name: "a secret that begins with two &",
    yaml: app("path: /srv/app", "secret: &hunter2 &hunter2"),
    says: [
      ':4: not valid YAML: a word that begins with "&" is an anchor; a text that does needs quotes',
    ],
  },
  ...["@hunter2", "`hunter2", "%hunter2", "hunter2: x", "'hunter2'x"].map((secret) => ({
    name: `a secret written as ${secret}`,
    yaml: app("path: /srv/app", `secret: ${secret}`, "branch: main"),
    says: [`:4: ${YAML_LINE}`],
  })),
  {
    name: "a secret with a backslash in double quotes",
    yaml: app("path: /srv/app", 'secret: "hunter\\2"'),
    says: [
      ":4: not valid YAML: this escape sequence does not exist; " +
      "in single quotes a backslash is only a backslash",
    ],
  },
  {
    name: "a quotation mark that is not closed",
    yaml: app("path: /srv/app", 'secret: "hunter2', "branch: main"),
    says: [":6: not valid YAML: a quotation mark that was opened above is never closed"],
  },
  {
    name: "a brace that is not closed",
    yaml: app("path: /srv/app", "secret: {hunter2"),
    says: [
      ':5: not valid YAML: a "[" or "{" that was opened above is not closed, ' +
      "or a comma is missing; a text that begins so needs quotes",
    ],
  },
  {
    name: "a directive",
    yaml: "%hunter2 x\n\n",
    says: [
      ':1: not valid YAML: a line that begins with "%" is a directive; ' +
      "a text that does needs quotes",
    ],
  },
  {
    name: "an indentation that fits nothing",
    yaml: app("path: /srv/app", " secret: hunter2"),
    says: [`:4: ${YAML_LINE}`],
  },
  {
    name: "a key without a blank after its colon",
    yaml: app("path: /srv/app", "secret:hunter2", "", "# the branch", "branch: main"),
    says: [`:4: ${YAML_LINE}`],
  },
  {
    name: "a key without a blank after its colon, in braces",
    yaml: "repositories:\n  app: { path: /srv/app, secret:hunter2 }\n",
    says: [
      `:2: repositories.app: found a map with an unknown key; allowed: ${KEYS}`,
      ':2: repositories.app: "secret" is missing',
    ],
  },
  {
    name: "a key with too deep an indentation, which makes it a part of the text before",
    yaml: app("path: srv/app", "    secret:hunter2"),
    says: [
      ':2: repositories.app: "secret" is missing',
      `:3: repositories.app.path: found "srv/app …"; allowed: ${PATH}`,
    ],
  },
  {
    name: "a second document",
    yaml: `${GOOD}\n---\n${GOOD}\n`,
    says: [':2: not valid YAML: a second document begins ("---"); allowed: one'],
  },
  {
    name: "a control character",
    yaml: `concurrency: \u0001\n${GOOD}\n`,
    says: [":1: not valid YAML: a control character"],
  },
  {
    name: "a merge key, which YAML 1.2 does not have",
    yaml: "repositories:\n  a: &a { path: /a, secret: x }\n  b:\n    <<: *a\n    path: /b\n",
    says: [
      ':3: repositories.b: "secret" is missing',
      `:4: repositories.b."<<": unknown key; allowed: ${KEYS}`,
    ],
  },
  {
    name: "an alias, at the place where it is used",
    yaml: "repositories:\n  a: &a\n    path: /a\n    secret: x\n  b: *a\n",
    says: [
      ':5: repositories.b.path: found "/a", the same directory as the path of "a"; ' +
      "allowed: a directory of its own",
    ],
  },
  {
    name: "line ends of Windows and a byte order mark",
    yaml: `\ufeff${appWith("brnch: main")}liste: x\n`.replaceAll("\n", "\r\n"),
    says: [
      `:5: repositories.app.brnch: unknown key, did you mean "branch"?; allowed: ${KEYS}`,
      `:6: liste: unknown key, did you mean "listen"?; allowed: ${ROOT_KEYS}`,
    ],
  },
];

for (const { name, yaml, says, given } of REFUSALS) {
  Deno.test(`parseConfig() refuses ${name}`, async () => {
    const problems = await problemsIn(yaml, given);
    assertEquals(problems, says.map((line) => `hook.yaml${line}`));
    assertEquals(problems.some((line) => line.includes("hunter2")), false, "a secret is shown");
  });
}

Deno.test("parseConfig() finds a path inside another's behind a symbolic link", async () => {
  await inTemporaryDirectory(async (dir) => {
    await Deno.mkdir(`${dir}/srv/app`, { recursive: true });
    await Deno.symlink(`${dir}/srv`, `${dir}/link`);
    const yaml = (path: string) =>
      `repositories:\n  app: { path: ${dir}/srv/app, secret: x }\n  b: { path: ${path}, secret: x }\n`;
    const message = (path: string, relation: string) => [
      `hook.yaml:3: repositories.b.path: found "${path}", ${relation} the path of "app"; ` +
      "allowed: a directory of its own",
    ];
    const same = `${dir}/link/app`;
    assertEquals(await problemsIn(yaml(same)), message(same, "the same directory as"));
    // Nothing of it is there yet, so only the link itself can be followed.
    const inner = `${dir}/link/app/new/deep`;
    assertEquals(await problemsIn(yaml(inner)), message(inner, "inside"));
    assertEquals(await problemsIn(yaml(`${dir}/link/app2/new`)), []);
  });
});

Deno.test("parseConfig() tells one text from another by its fingerprint", async () => {
  const [one, same, other] = await Promise.all(
    [appWith(), appWith(), appWith("poll: 10m")].map((text) => configOf(text)),
  );
  assertEquals(one!.fingerprint, same!.fingerprint);
  assert(one!.fingerprint !== other!.fingerprint);
});

Deno.test("parseConfig() takes the contract's smallest configuration and its defaults", async () => {
  const { repositories, fingerprint: _, ...rest } = await configOf(appWith());
  assertEquals(rest, {
    file: "hook.yaml",
    listen: { kind: "tcp", hostname: "0.0.0.0", port: 17838 },
    trustedProxies: { networks: [], unix: false },
    concurrency: 4,
    bodyLimit: 5 * 1024 * 1024,
    log: { level: "info" },
  });
  assertEquals([...repositories.values()].map((each) => ({ ...each }) as unknown), [{
    name: "app",
    path: "/srv/app",
    accept: [{ provider: "coding", secrets: ["change-me"], options: {} }],
    secretFiles: [],
    hasLiteralSecret: true,
    strategy: "pull",
    timeout: 600_000,
    poll: 300_000,
    keep: 5,
    shared: [],
    submodules: false,
    touch: [],
    transport: {},
  }]);
});

Deno.test("parseConfig() takes every key", async () => {
  const yaml = `
    listen: '[::1]:8443'
    tls: { cert: /etc/hook/cert.pem, key: /etc/hook/key.pem }
    trusted_proxies: [10.0.0.0/8, '::1', unix]
    admin: unix:/run/hook/admin.sock
    state: /var/lib/hook
    concurrency: 64
    body_limit: 64MiB
    log: { format: json, level: debug }
    repositories:
      app-1.x_y:
        path: /srv/my app/
        secret: [change-me, { file: /etc/hook/app }, { env: HOOK_SECRET_App1 }, { credential: app }]
        provider: coding
        remote: git@e.coding.net:team/app.git
        branch: 特性/1.10
        strategy: release
        timeout: 24h
        poll: 10s
        keep: 100
        shared: [.env, media/, var/lib/data]
        submodules: recursive
        depth: 50
        ssh_key: /etc/hook/key
        known_hosts: /etc/hook/known_hosts
        credentials: { username: 张三, password: { file: /etc/hook/password } }
        hooks: /etc/hook/app.d
        touch: [/etc/uwsgi/app.ini, /run/app/reload]
        allow_from: [192.0.2.0/24, '2001:db8::/32', 198.51.100.7]
  `;
  const pem = "-----BEGIN CERTIFICATE-----\n";
  const { repositories, trustedProxies, fingerprint: _, ...rest } = await configOf(yaml, {
    files: {
      "/etc/hook/cert.pem": pem,
      "/etc/hook/key.pem": pem,
      "/etc/hook/app": "from a file\n",
      "/run/credentials/app": "from systemd\r\n",
      "/etc/hook/password": "p@ss\n",
    },
    env: { HOOK_SECRET_App1: "from the environment" },
    credentials: "/run/credentials",
  });
  assertEquals(rest, {
    file: "hook.yaml",
    listen: { kind: "tcp", hostname: "::1", port: 8443 },
    tls: {
      cert: pem,
      key: pem,
      files: { cert: "/etc/hook/cert.pem", key: "/etc/hook/key.pem" },
    } as unknown as typeof rest.tls,
    admin: { kind: "unix", path: "/run/hook/admin.sock" },
    state: "/var/lib/hook" as typeof rest.state & string,
    concurrency: 64,
    bodyLimit: 64 * 1024 * 1024,
    log: { format: "json", level: "debug" },
  });
  assertEquals(trustedProxies.networks.map(([address, bits]) => `${address}/${bits}`), [
    "10.0.0.0/8",
    "::1/128",
  ]);
  assertEquals(trustedProxies.unix, true);
  const [{ allowFrom, ...app }] = [...repositories.values()] as [RepositoryConfig];
  assertEquals([...repositories.keys()].map(String), ["app-1.x_y"]);
  assertEquals(allowFrom!.map(([address, bits]) => `${address}/${bits}`), [
    "192.0.2.0/24",
    "2001:db8::/32",
    "198.51.100.7/32",
  ]);
  assertEquals(app as unknown, {
    name: "app-1.x_y",
    path: "/srv/my app",
    accept: [{
      provider: "coding",
      secrets: ["change-me", "from a file", "from the environment", "from systemd"],
      options: {},
    }],
    secretFiles: ["/etc/hook/app", "/run/credentials/app", "/etc/hook/password"],
    hasLiteralSecret: true,
    remote: "git@e.coding.net:team/app.git",
    branch: "特性/1.10",
    strategy: "release",
    timeout: 86_400_000,
    poll: 10_000,
    keep: 100,
    shared: [".env", "media/", "var/lib/data"],
    submodules: "recursive",
    depth: 50,
    transport: {
      sshKey: "/etc/hook/key",
      knownHosts: "/etc/hook/known_hosts",
      credentials: { username: "张三", password: "p@ss" },
    },
    hooks: "/etc/hook/app.d",
    touch: ["/etc/uwsgi/app.ini", "/run/app/reload"],
  });
});

Deno.test("parseConfig() takes words for texts that YAML 1.1 took for something else", async () => {
  for (const branch of ["on", "yes", "n", "2026-01-01", "0o17x", "1.2.3"]) {
    const { repositories } = await configOf(appWith(`branch: ${branch}`));
    assertEquals([...repositories.values()].map((each) => String(each.branch)), [branch]);
  }
});

Deno.test("parseConfig() needs no secret where nothing listens", async () => {
  const { listen, repositories } = await configOf(
    "listen: none\nrepositories: { app: { path: /srv/app } }",
  );
  const [{ accept, poll }] = [...repositories.values()] as [RepositoryConfig];
  assertEquals([listen, accept, poll], [undefined, [], 300_000]);
});

Deno.test("parseConfig() takes poll off for no time at all", async () => {
  const { repositories } = await configOf(appWith("poll: off"));
  assertEquals([...repositories.values()].map((each) => each.poll), [undefined]);
});

Deno.test("parseConfig() reads the password of credentials as it reads secrets, and shows it to nobody", async () => {
  const yaml = appWith("credentials: { username: cnb, password: { env: HOOK_SECRET_PW } }");
  const { repositories } = await configOf(yaml, { env: { HOOK_SECRET_PW: "hunter2" } });
  const [{ transport }] = [...repositories.values()] as [RepositoryConfig];
  assertEquals(transport.credentials, { username: "cnb", password: "hunter2" });
  const [problem, ...others] = await problemsIn(yaml);
  assertEquals(others, []);
  assert(problem!.includes("repositories.app.credentials.password"), problem);
  const empty = appWith("credentials: { username: cnb }");
  assert((await problemsIn(empty)).join().includes("password"));
});

Deno.test("parseConfig() allows allow_from on a socket whose proxy is trusted", async () => {
  const top = "listen: unix:/run/hook.sock\ntrusted_proxies: [unix]\n";
  assertEquals(await problemsIn(top + appWith("allow_from: [10.0.0.0/8]")), []);
});

Deno.test("parseConfig() takes names from JavaScript's own vocabulary as any others", async () => {
  const yaml = (name: string) => `repositories:\n  ${name}: { path: /srv/app, secret: x }\n`;
  for (const name of ["constructor", "tostring", "hasownproperty"]) {
    assertEquals([...(await configOf(yaml(name))).repositories.keys()].map(String), [name]);
  }
  assertEquals(await problemsIn(yaml("__proto__")), [
    `hook.yaml:2: repositories.__proto__: ${NAME}`,
  ]);
  for (const key of ["__proto__", "constructor", "toString"]) {
    const at = `hook.yaml:5: repositories.app.${key}: unknown key; allowed: ${KEYS}`;
    assertEquals(await problemsIn(appWith(`${key}: { path: /x, secret: y }`)), [at]);
  }
});

Deno.test("loadConfig() reads the file", async () => {
  const config = await loadConfig(
    "/etc/hook.yaml",
    sourcesOf({ files: { "/etc/hook.yaml": GOOD } }),
  );
  assertEquals(config.file, "/etc/hook.yaml");
});

Deno.test("loadConfig() says why the file cannot be read", async () => {
  const files = {
    "/denied": new Deno.errors.PermissionDenied(),
    "/folder": new Deno.errors.IsADirectory(),
  };
  for (
    const [file, why, hint] of [
      ["/none", "it does not exist", "name another one: -c FILE"],
      ["/denied", "permission denied", undefined],
      ["/folder", "it is a directory", undefined],
    ] as const
  ) {
    const error = await assertRejects(() => loadConfig(file, sourcesOf({ files })), ConfigError);
    assertEquals(error.problems, [`${file}: cannot be read: ${why}`]);
    assertEquals(error.hint, hint);
  }
});

Deno.test("ConfigError is all its problems, a line each", async () => {
  const outcome = await outcomeOf("concurrency: 0\nbody_limit: 0\n");
  assert("problems" in outcome);
  const error = new ConfigError((outcome as { problems: string[] }).problems);
  assertEquals(error.message.split("\n").length, 3);
});

/** What documents are made of, and what breaks them. */
const TOKENS = [
  ...["listen", "tls", "trusted_proxies", "concurrency", "body_limit", "log", "repositories"],
  ...["path", "secret", "provider", "remote", "branch", "strategy", "timeout", "allow_from"],
  ...["admin", "state", "tags", "keep", "shared", "submodules", "depth", "credentials", "password"],
  ...["hooks", "touch", "poll", "off", "none", "v*", "media/", "release", "username", "recursive"],
  ...["app", "file", "env", "credential", "/srv/app", "unix:/x", "10.0.0.0/8", "1.10", "10m"],
  ...[": ", ":\n", "\n", "\n  ", "\n    ", "\n  - ", "- ", "{", "}", "[", "]", ", ", "'", '"'],
  ...["&a ", "*a", "!!str ", "!x ", "<<: ", "|\n", ">-\n", "#", "? ", "---\n", "%YAML 1.2\n"],
  ...["~", "null", "true", "-1", "1e999", ".nan", "0x1F", "\t", "\r\n", "\ufeff", "\\", "\0"],
  ...["__proto__", "constructor", "toString"],
];

Deno.test("parseConfig() throws nothing but ConfigError, whatever the text", async () => {
  const tokens = fc.array(fc.constantFrom(...TOKENS), { maxLength: 40 }).map((all) => all.join(""));
  const text = fc.oneof({ weight: 3, arbitrary: tokens }, textOf(...TOKENS));
  await fc.assert(
    fc.asyncProperty(text, async (yaml) => {
      // An error of another kind comes through here and fails the property.
      const outcome = await outcomeOf(yaml);
      if (!("problems" in outcome)) return;
      assert(outcome.problems.length > 0);
      for (const problem of outcome.problems) {
        // deno-lint-ignore no-control-regex
        assert(!/[\u0000-\u001f\u007f-\u009f]/.test(problem), JSON.stringify(problem));
        const line = /^hook\.yaml(?::(\d+))?: ./.exec(problem);
        assert(line !== null, problem);
        assert(Number(line![1] ?? 1) <= yaml.split(/\r\n?|\n/).length + 1, problem);
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("parseConfig() comes to an end with documents made to be expensive", async () => {
  const deep = 5_000;
  const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 12; level++) {
    const aliases = Array.from({ length: 9 }, () => `*a${level - 1}`);
    bomb.push(`a${level}: &a${level} [${aliases.join(", ")}]`);
  }
  for (
    const yaml of [
      `a: ${"[".repeat(deep)}`,
      `a: ${"[".repeat(deep)}${"]".repeat(deep)}`,
      `a: ${"{b: ".repeat(deep)}`,
      Array.from({ length: 500 }, (_, level) => `${" ".repeat(level)}a:`).join("\n"),
      bomb.join("\n"),
      "repositories: &r { app: *r }",
      "repositories: { app: { path: /a, secret: &s [*s] } }",
      appWith(`remote: '${":".repeat(1e5)}'`, `branch: ${"a/".repeat(5e4)}`),
      `${"a".repeat(1e5)}: x`,
      `listen: "${"1.".repeat(5e4)}"`,
      `trusted_proxies: ["${":".repeat(1e5)}", "${"1.".repeat(5e4)}"]`,
      Array.from({ length: 300 }, (_, index) => `key${index}: x`).join("\n"),
    ]
  ) assert((await problemsIn(yaml)).length > 0, yaml.slice(0, 40));
});

/** A document with a literal secret, written in one of many ways. */
function documentsWith(secret: string): fc.Arbitrary<string> {
  const text = fc.constantFrom(
    ...[secret, `"${secret}"`, `'${secret}'`, `[${secret}]`, `[x, "${secret}"]`, `{${secret}}`],
    ...[`{ file: ${secret} }`, `{ env: ${secret} }`, `|\n  ${secret}`],
    ...[`!${secret}`, `*${secret}`, `&${secret}`, `@${secret}`, `%${secret}`, `\\${secret}`],
    ...[`\n      - ${secret}`, `>-\n      ${secret}\n      x`, `[[${secret}]]`, `[{${secret}}]`],
  );
  const key = fc.constantFrom("secret", "secrt", "Secret");
  const colon = fc.constantFrom(": ", ":", " : ", " ", ":  ");
  const map = fc.constantFrom(
    ...[`secret: ${secret}: x`, `secret: { file: { ${secret}: x } }`, `secret: { "${secret}": x }`],
    ...[`secret: { fil: ${secret} }`, `secret: { ${secret}: { x: y } }`],
  );
  const written = fc.oneof(map, fc.tuple(key, colon, text).map((parts) => parts.join("")));
  const other = fc.constantFrom(
    ...["branch: main", "branch: a..b", "remote: x", "timeout: 5", "brnch: x", "path: /srv/app"],
    ...["path: srv", "strategy: x", "allow_from: [x]", "", "# comment", "- x", "x", "provider: y"],
  );
  const indent = fc.constantFrom("", "  ", "    ", "    ", "    ", "     ", "      ", "\t");
  const line = fc.tuple(indent, other).map((parts) => parts.join(""));
  const around = fc.array(line, { maxLength: 3 });
  const top = fc.constantFrom("", "listen: unix:/x\n", "concurrency: 0\n", "listne: x\n");
  const name = fc.constantFrom("app", "App", "a b", "-");
  return fc.tuple(top, name, around, indent, written, around).map(
    ([first, app, before, blanks, entry, after]) =>
      [`${first}repositories:`, `  ${app}:`, ...before, blanks + entry, ...after].join("\n"),
  );
}

Deno.test("parseConfig() never shows a secret, however broken the document around it is", async () => {
  const secret = "kW7xQ2vB9zPt";
  await fc.assert(
    fc.asyncProperty(documentsWith(secret), async (yaml) => {
      for (const problem of await problemsIn(yaml)) {
        assertEquals(problem.includes(secret), false, `${problem}\n${yaml}`);
      }
    }),
    { numRuns: 1_500 },
  );
});

Deno.test("parseConfig() never shows a secret after slips in typing", async () => {
  const secret = "kW7xQ2vB9zPt";
  const yaml = `listen: 127.0.0.1:80\n${app("path: /a", "branch: main", `secret: ${secret}`)}` +
    `  two: { path: /a, secret: ${secret} }\n`;
  const slip = fc.record({
    at: fc.nat(yaml.length),
    remove: fc.nat(1),
    add: fc.constantFrom("", " ", "\n", ":", "-", "{", "}", "'", '"', "#", "\t", "x", "    "),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(slip, { minLength: 1, maxLength: 2 }), async (slips) => {
      const typed = slips.reduce(
        (text, { at, remove, add }) => text.slice(0, at) + add + text.slice(at + remove),
        yaml,
      );
      for (const problem of await problemsIn(typed)) {
        assertEquals(problem.includes(secret), false, `${problem}\n${typed}`);
      }
    }),
    { numRuns: 1_500 },
  );
});
