import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type Args,
  CliError,
  optionsOf,
  parse,
  usage,
  UsageError,
  verbNamed,
  verbs,
} from "../lib/cli.ts";
import { runCli } from "./support/fake_io.ts";
import { anyText } from "./support/texts.ts";

/** A command line with each word as written: blanks separate them. */
function words(line: string): string[] {
  return line.split(" ").filter((word) => word !== "");
}

function refusal(line: string | string[]): { message: string; hint: string | undefined } {
  const argv = typeof line === "string" ? words(line) : line;
  const { message, hint } = assertThrows(() => parse(argv), UsageError) as UsageError;
  return { message, hint };
}

function parsed(line: string): { verb: string; args: Args } {
  const { verb, args } = parse(words(line));
  return { verb: verb.name, args };
}

Deno.test("parse() finds the verb, its operands, values and switches, in any order", () => {
  for (
    const line of [
      "send app --ref refs/heads/main --wait -c /etc/hook.yaml",
      "send --wait --config=/etc/hook.yaml --ref=refs/heads/main app",
      "send -c=/etc/hook.yaml --wait app --ref refs/heads/main",
      "send -c/etc/hook.yaml --ref refs/heads/main --wait -- app",
    ]
  ) {
    const { verb, args } = parsed(line);
    assertEquals(verb, "send");
    assertEquals(args.operands, ["app"]);
    assertEquals(args.value("config"), "/etc/hook.yaml");
    assertEquals(args.value("ref"), "refs/heads/main");
    assertEquals(args.value("url"), undefined);
    assertEquals([args.has("wait"), args.has("help")], [true, false]);
  }
});

Deno.test("parse() leaves values and operands as they are written", () => {
  assertEquals(parsed("send 1.10 --ref 0x10").args.operands, ["1.10"]);
  assertEquals(parsed("send 1.10 --ref 0x10").args.value("ref"), "0x10");
  assertEquals(parsed("check true 007 -").args.operands, ["true", "007", "-"]);
  assertEquals(parsed("send app --ref=-x").args.value("ref"), "-x");
  assertEquals(parsed("send app --url=http://h/?a=b").args.value("url"), "http://h/?a=b");
  assertEquals(parsed("check -- --schema -c").args.operands, ["--schema", "-c"]);
});

Deno.test("parse() takes --help and --version for the verbs", () => {
  for (const line of ["help", "--help", "-h"]) {
    assertEquals([parsed(line).verb, parsed(line).args.operands], ["help", []]);
  }
  for (const line of ["help send", "--help send", "send --help", "send -h", "send app x y -h"]) {
    assertEquals([parsed(line).verb, parsed(line).args.operands], ["help", ["send"]], line);
  }
  for (const line of ["version --json", "--version --json", "-V --json"]) {
    assertEquals([parsed(line).verb, parsed(line).args.has("json")], ["version", true], line);
  }
});

Deno.test("parse() refuses what does not fit, and says what would", () => {
  const send = "usage: hook send NAME [OPTIONS]";
  const serve = "usage: hook serve [OPTIONS]";
  for (
    const [line, message, hint] of [
      ["", "no verb", 'what can be done: "hook help"'],
      ["sned", 'unknown verb "sned"', 'did you mean "hook send"?'],
      ["SERVE", 'unknown verb "SERVE"', 'did you mean "hook serve"?'],
      ["restart", 'unknown verb "restart"', 'what can be done: "hook help"'],
      ["-c x serve", '"-c" is no verb', "the verb comes first: hook VERB [OPTIONS]"],
      ["--config=x serve", '"--config=x" is no verb', "the verb comes first: hook VERB [OPTIONS]"],
      ["--", '"--" is no verb', "the verb comes first: hook VERB [OPTIONS]"],
      ["send", '"send" needs NAME', send],
      ["send --wait", '"send" needs NAME', send],
      ["send a b", '"send" does not take "b"', send],
      ["serve a", '"serve" does not take "a"', serve],
      ["help a b", '"help" does not take "b"', "usage: hook help [VERB]"],
      ["serve -c", '"--config" needs a value', serve],
      ["serve --config=", '"--config" needs a value', serve],
      ["send app --ref --wait", '"--ref" needs a value', send],
      ["serve -c a --config b", '"--config" is given twice', serve],
      ["send app --wait=no", '"--wait" takes no value', send],
      ["serve --help=false", '"--help" takes no value', serve],
      ["serve --confg x", 'unknown option "--confg" of "serve"', 'did you mean "--config"?'],
      ["send app --evnt=ping", 'unknown option "--evnt" of "send"', 'did you mean "--event"?'],
      ["check --Schema", 'unknown option "--Schema" of "check"', 'did you mean "--schema"?'],
      ["serve -x", 'unknown option "-x" of "serve"', 'its options: "hook help serve"'],
      [
        "serve --no-help",
        'unknown option "--no-help" of "serve"',
        'its options: "hook help serve"',
      ],
      ["serve --config.x y", 'unknown option "--config.x" of "serve"', 'did you mean "--config"?'],
      [
        "serve --__proto__ x",
        'unknown option "--__proto__" of "serve"',
        'its options: "hook help serve"',
      ],
      ["version --jsn", 'unknown option "--jsn" of "version"', 'did you mean "--json"?'],
    ] as const
  ) assertEquals(refusal(line), { message, hint }, line);
});

Deno.test("parse() repeats nothing that would move a terminal's cursor", () => {
  for (const argv of [["\x1b[2J"], ["serve", "\x1b[2J"], ["serve", "--\x1b[2J"], ["-\n"]]) {
    // deno-lint-ignore no-control-regex
    assertEquals(/[\u0000-\u001f]/.test(refusal(argv).message), false, JSON.stringify(argv));
  }
});

Deno.test("parse() gives arguments of the table or a UsageError, whatever the words", () => {
  const word = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...verbs.map(({ name }) => name)) },
    fc.constantFrom("-c", "--config", "--config=x", "--ref", "--wait", "--", "-", "-h", "--help"),
    fc.constantFrom("--__proto__", "--constructor", "--config.a", "--no-wait", "-cx", "app", ""),
    anyText,
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        const { verb, args } = parse(argv);
        assert(verbs.includes(verb));
        const [least, most] = verb.arity;
        assert(args.operands.length >= least && args.operands.length <= most);
        for (const { name, value } of optionsOf(verb)) {
          const given = args.value(name);
          assert(given === undefined || (value !== undefined && given !== ""));
          assert(!args.has(name) || value === undefined);
        }
      } catch (error) {
        assert(error instanceof UsageError, String(error));
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("verbNamed() finds every verb of the table", () => {
  for (const verb of verbs) assertEquals(verbNamed(verb.name), verb);
  for (const name of ["", "constructor", "__proto__"]) {
    assertThrows(() => verbNamed(name), UsageError);
  }
});

Deno.test("usage() names operands and tells that there are options", () => {
  const of = (name: string) => usage(verbNamed(name));
  assertEquals(of("serve"), "hook serve [OPTIONS]");
  assertEquals(of("check"), "hook check [NAME…] [OPTIONS]");
  assertEquals(of("send"), "hook send NAME [OPTIONS]");
  assertEquals(of("help"), "hook help [VERB]");
});

Deno.test("optionsOf() has no option twice and --help in every verb", () => {
  for (const verb of verbs) {
    const options = optionsOf(verb);
    const names = options.flatMap(({ name, short }) =>
      short === undefined ? [name] : [name, short]
    );
    assertEquals(new Set(names).size, names.length, verb.name);
    assert(names.includes("help") && names.includes("h"));
  }
});

Deno.test("every verb of the table can be loaded", async () => {
  for (const verb of verbs) assertEquals(typeof (await verb.load()).run, "function", verb.name);
});

Deno.test("run() reports wrong usage on stderr, with a hint, and gives 2", async () => {
  assertEquals(await runCli(["sned"]), {
    code: 2,
    stdout: "",
    stderr: 'hook: error: unknown verb "sned"\nhook: hint: did you mean "hook send"?\n',
  });
});

Deno.test("run() reports a configuration that is missing, and gives 2", async () => {
  const file = "/nonexistent/hook.yaml";
  const expected = {
    code: 2,
    stdout: "",
    stderr: `hook: error: ${file}: cannot be read: it does not exist\n` +
      "hook: hint: name another one: -c FILE\n",
  };
  for (const verb of ["serve", "check", "send"]) {
    const operands = verb === "send" ? ["app"] : [];
    assertEquals(await runCli([verb, ...operands, "-c", file]), expected);
    assertEquals(await runCli([verb, ...operands], { HOOK_CONFIG: file }), expected);
  }
});

Deno.test("UsageError and CliError carry a hint", () => {
  for (const Type of [UsageError, CliError]) {
    const error = new Type("what", "what to do");
    assertEquals([error.name, error.message, error.hint], [Type.name, "what", "what to do"]);
    assertEquals(new Type("what").hint, undefined);
  }
});
