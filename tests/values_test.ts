import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type AbsolutePath,
  absolutePath,
  branchName,
  isNullSha,
  isPlausibleRef,
  isWithin,
  printable,
  remoteUrl,
  repositoryName,
  sha,
} from "../lib/values.ts";
import { inTemporaryDirectory } from "./support/temporary.ts";
import { anyText, textOf } from "./support/texts.ts";

/** What must reach neither a command line nor a log. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const HOSTILE = ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"];

Deno.test("repositoryName() accepts what fits into a URL's path without quoting", () => {
  for (const name of ["a", "0", "app", "my-app", "a.b_c-d", "9lives", "a".repeat(64)]) {
    assertEquals(repositoryName(name), name);
  }
});

Deno.test("repositoryName() refuses everything else", () => {
  const names = ["", "A", "App", "-a", ".a", "_a", "..", "a/b", "a b", "a".repeat(65), "a\n", "é"];
  for (const name of names) assertEquals(repositoryName(name), undefined, JSON.stringify(name));
});

Deno.test("absolutePath() removes slashes that mean nothing", () => {
  for (
    const [text, path] of [
      ["/srv/app", "/srv/app"],
      ["/srv/app/", "/srv/app"],
      ["//srv///app//", "/srv/app"],
      ["/-x", "/-x"],
      ["/srv/my app/网站", "/srv/my app/网站"],
      ["/srv/...", "/srv/..."],
      ["/srv/.git", "/srv/.git"],
    ] as const
  ) assertEquals(absolutePath(text), path as AbsolutePath);
});

Deno.test("absolutePath() refuses relative paths, the root, dots and control characters", () => {
  const texts = ["", "srv", "./srv", "~/srv", "-x", "/", "//", "/.", "/srv/..", "/srv/../etc"];
  for (const text of [...texts, ...HOSTILE.map((bad) => `/srv/${bad}`)]) {
    assertEquals(absolutePath(text), undefined, JSON.stringify(text));
  }
});

Deno.test("absolutePath() gives only paths that are absolute, clean and their own normal form", () => {
  fc.assert(fc.property(textOf("/", "//", ".", "..", "-", "srv", " ", "\n", "~"), (text) => {
    const path = absolutePath(text);
    if (path === undefined) return;
    assert(/^(?:\/[^/]+)+$/.test(path));
    assert(!CONTROL.test(path) && path.isWellFormed());
    assert(!path.split("/").some((part) => part === "." || part === ".."));
    assertEquals(absolutePath(path), path);
  }));
});

Deno.test("isWithin() compares whole components", () => {
  const is = (outer: string, inner: string) => isWithin(absolutePath(outer)!, absolutePath(inner)!);
  assertEquals(is("/srv/app", "/srv/app"), true);
  assertEquals(is("/srv/app", "/srv/app/x"), true);
  assertEquals(is("/srv/app", "/srv/app2"), false);
  assertEquals(is("/srv/app/x", "/srv/app"), false);
});

Deno.test("branchName() accepts what git accepts", () => {
  const names = ["main", "feature/x", "1.10", "特性/分支", "a@b", "a-", "v1.0.0", "x".repeat(244)];
  for (const name of [...names, "a{b}", "a!$&'();b", "HEAD/x", "a/HEAD", "a.lockx"]) {
    assertEquals(branchName(name), name as typeof name & ReturnType<typeof branchName>);
  }
});

Deno.test("branchName() refuses options, revisions, control characters and the unreadably long", () => {
  const names = [
    "",
    "-x",
    "--force",
    "@",
    "HEAD",
    "a..b",
    "a@{1}",
    "a^",
    "a~1",
    "a:b",
    "a b",
    "a*",
  ];
  names.push("a?", "a[b", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b");
  for (const name of [...names, "x".repeat(245), ...HOSTILE.map((bad) => `a${bad}b`)]) {
    assertEquals(branchName(name), undefined, JSON.stringify(name));
  }
});

/** These refusals are ours alone: an option, a symbolic name, what git takes for letters. */
function isStricter(name: string): boolean {
  const isSymbolic = name === "@" || name === "HEAD";
  return name.startsWith("-") || isSymbolic || name.length > 244 || CONTROL.test(name);
}

const NAMES = textOf(
  ...["a", "b", "特", "/", ".", "..", ".lock", "@", "@{", "-", "HEAD", "~", "^", ":", "?", "*"],
  ...["[", "]", "\\", " ", "\x7f", "\x1b", "\t", "{", "}"],
);

async function git(cwd: string, ...args: string[]): Promise<{ ok: boolean; stdout: string }> {
  const { success, stdout } = await new Deno.Command("git", {
    args,
    cwd,
    env: { GIT_CEILING_DIRECTORIES: cwd, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  }).output();
  return { ok: success, stdout: new TextDecoder().decode(stdout).trimEnd() };
}

/** Which names git finds well-formed, by one process: it skips the others in a file of refs. */
async function wellFormed(names: readonly string[], cwd: string): Promise<Set<string>> {
  await git(cwd, "init", "--quiet");
  const { stdout: tree } = await git(cwd, "hash-object", "-w", "-t", "tree", "/dev/null");
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  const { stdout: commit } = await git(cwd, ...identity, "commit-tree", "-m", "test", tree);
  const lines = names.map((name) => `${commit} refs/heads/${name}\n`);
  await Deno.writeTextFile(`${cwd}/.git/packed-refs`, lines.join(""));
  const { ok, stdout } = await git(cwd, "for-each-ref", "--format=%(refname)");
  assert(ok);
  return new Set(stdout.split("\n").map((ref) => ref.slice("refs/heads/".length)));
}

Deno.test("branchName() agrees with git on which names are well-formed", async () => {
  await inTemporaryDirectory(async (cwd) => {
    // Git refuses to read the file at all where a name could lead out of its folder.
    const isSafe = (name: string) => !name.split("/").some((part) => /^\.{0,2}$/.test(part));
    const isLine = (name: string) => name.isWellFormed() && !/[\0\n]/.test(name);
    const names = fc.sample(NAMES, 3_000).filter((name) => isSafe(name) && isLine(name));
    const accepted = await wellFormed(names, cwd);
    assert(accepted.size > 100 && names.length - accepted.size > 100, "the sample says nothing");
    for (const name of names) {
      const expected = accepted.has(name) && !isStricter(name);
      assertEquals(branchName(name) !== undefined, expected, JSON.stringify(name));
    }
  });
});

Deno.test("branchName() accepts nothing that git check-ref-format --branch refuses", async () => {
  await inTemporaryDirectory(async (cwd) => {
    const names = fc.sample(NAMES, 20).filter((name) => !name.includes("\0"));
    for (const name of [...names, "-a", "a/../b", "a//b", "/a", "a/", "@", "HEAD", "a@{-1}"]) {
      const { ok } = await git(cwd, "check-ref-format", "--branch", name);
      const expected = ok && !isStricter(name) && name.isWellFormed();
      assertEquals(branchName(name) !== undefined, expected, JSON.stringify(name));
    }
  });
});

Deno.test("branchName() gives no option, no range and no control character", () => {
  fc.assert(fc.property(textOf("-", "..", ".", "/", "a", "@{", "\x85", " "), (text) => {
    const name = branchName(text);
    if (name === undefined) return;
    assert(!name.startsWith("-") && !name.includes("..") && !CONTROL.test(name));
    assert(name.isWellFormed());
  }));
});

Deno.test("isPlausibleRef() wants a printable text of a bearable length", () => {
  for (const ref of ["refs/heads/main", "x", "refs/tags/v1 (old)", "x".repeat(1024)]) {
    assertEquals(isPlausibleRef(ref), true);
  }
  for (const ref of ["", "x".repeat(1025), "refs/heads/a\nb", "\x1b[31m"]) {
    assertEquals(isPlausibleRef(ref), false, JSON.stringify(ref));
  }
});

Deno.test("sha() takes whole object names in lower case", () => {
  const [sha1, sha256] = ["0123456789abcdef0123456789abcdef01234567", "a".repeat(64)];
  assertEquals(String(sha(sha1)), sha1);
  assertEquals(String(sha(sha256)), sha256);
  const texts = ["", "abc", sha1.slice(1), `${sha1}0`, sha1.toUpperCase(), `${sha1}\n`, ` ${sha1}`];
  for (const text of texts) assertEquals(sha(text), undefined, JSON.stringify(text));
});

Deno.test("isNullSha() tells git's nothing from a commit", () => {
  assertEquals(isNullSha(sha("0".repeat(40))!), true);
  assertEquals(isNullSha(sha("0".repeat(64))!), true);
  assertEquals(isNullSha(sha("0".repeat(39) + "1")!), false);
});

Deno.test("remoteUrl() accepts the transports and leaves the text as it is", () => {
  for (
    const text of [
      "https://e.coding.net/team/app.git",
      "https://user@example.com:8443/app.git",
      "http://127.0.0.1:3000/a b.git",
      "ssh://git@example.com:22/app.git",
      "ssh://[2001:db8::1]/app.git",
      "git://example.com/app.git",
      "file:///srv/git/app.git",
      "git@e.coding.net:team/app.git",
      "example.com:app.git",
      "git@example.com:~/app.git",
      "/srv/git/app.git",
      "/srv/git/网站 2.git",
      "https://example.com/a@b:c.git",
    ]
  ) assertEquals(remoteUrl(text), text as typeof text & ReturnType<typeof remoteUrl>);
});

Deno.test("remoteUrl() says what is wrong with another text", () => {
  for (
    const [problem, texts] of Object.entries({
      option: [
        "-u",
        "--upload-pack=touch x",
        "ssh://-oProxyCommand=x/y",
        "ssh://git@-oProxyCommand=x/y",
        "ssh://-",
        "ssh://git@-",
        "git@-oProxyCommand=x:y",
        "host:-oProxyCommand=x",
      ],
      transport: [
        "ext::sh -c x",
        "fd::17",
        "host::x",
        "ftp://example.com/x",
        "HTTPS://u:p@example.com/x",
        "htps://example.com/x",
        "app.git",
        "../app.git",
        "https://",
        "git@example.com:",
        " https://example.com/x",
      ],
      password: [
        "https://u:p@example.com/x",
        "http://:p@h/x",
        "ssh://u:p@h/x",
        "https://a:b@c@d/x",
      ],
      characters: ["", ...HOSTILE.map((bad) => `https://example.com/${bad}`)],
    })
  ) {
    for (const text of texts) {
      assertEquals<unknown>(remoteUrl(text), { problem }, JSON.stringify(text));
    }
  }
});

Deno.test("remoteUrl() gives no option, for git or for ssh, and no control character", () => {
  const pieces = ["-", "://", ":", "::", "@", "/", "..", "ssh", "https", "ext", "host", "\n", " "];
  fc.assert(
    fc.property(textOf(...pieces), (text) => {
      const url = remoteUrl(text);
      if (typeof url !== "string") return;
      assert(!url.startsWith("-") && !CONTROL.test(url) && url.isWellFormed());
      const host = /^(?:\w+:\/\/(?:[^/@]*@)*|[^:@/]*@)?([^/:]*)/.exec(url)![1]!;
      assert(!host.startsWith("-"), host);
      assert(!/^[a-z0-9]+::/.test(url), "a remote helper");
      assert(!/^(?!https?:|ssh:|git:|file:)[a-z0-9+.-]+:\/\//i.test(url), "an unknown transport");
    }),
    { numRuns: 1000 },
  );
});

Deno.test("printable() makes control characters blanks and cuts with an ellipsis", () => {
  assertEquals(printable("refs/heads/main"), "refs/heads/main");
  assertEquals(printable("a\r\nb\x1b[31m\x85\u2028c"), "a  b [31m  c");
  assertEquals(printable("abcdef", 6), "abcdef");
  assertEquals(printable("abcdefg", 6), "abcde…");
  assertEquals(printable("x".repeat(300)).length, 256);
});

Deno.test("printable() cuts no character in two", () => {
  const cut = printable("ab😀def", 4);
  assertEquals(cut.isWellFormed(), true);
  assertEquals(cut.endsWith("…"), true);
});

Deno.test("printable() keeps the limit and no control character, whatever the text", () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 40 }), (text, n) => {
      const clean = printable(text, n);
      assert(clean.length <= n && !CONTROL.test(clean));
    }),
  );
});
