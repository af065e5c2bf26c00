import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { optionsOf, usage, verbs } from "../../lib/cli.ts";
import { helpText } from "../../lib/cli/help.ts";
import { runCli } from "../support/fake_io.ts";

Deno.test("helpText() fits a terminal of 80 columns", () => {
  for (const text of [helpText(), ...verbs.map((verb) => helpText(verb))]) {
    for (const line of text.split("\n")) {
      assert(line.length <= 80, `${line.length} columns: ${line}`);
      assertEquals(line, line.trimEnd());
    }
    assert(text.endsWith("\n") && !text.endsWith("\n\n"));
  }
});

Deno.test("helpText() lists every verb with its operands and its summary", () => {
  const text = helpText().replace(/\s+/g, " ");
  for (const { name, operands, summary } of verbs) {
    assertStringIncludes(text, ` ${`${name} ${operands}`.trim()} ${summary}`);
  }
});

Deno.test("helpText() of a verb lists its usage and every option", () => {
  for (const verb of verbs) {
    const text = helpText(verb);
    assert(text.startsWith(`Usage: ${usage(verb)}\n`), verb.name);
    const plain = text.replace(/\s+/g, " ");
    for (const { name, short, value, help } of optionsOf(verb)) {
      const option = `${short === undefined ? "" : `-${short}, `}--${name}`;
      assertStringIncludes(plain, `${option}${value === undefined ? "" : ` ${value}`} ${help}`);
    }
  }
});

Deno.test("helpText() breaks a long line below its own column", () => {
  assertStringIncludes(
    helpText(verbs.find(({ name }) => name === "serve")),
    "  -c, --config FILE  the configuration; else $HOOK_CONFIG, else\n" +
      "                     /etc/hook/hook.yaml\n" +
      "  -h, --help         show this help\n",
  );
});

Deno.test("hook help prints to stdout and gives 0, by every spelling", async () => {
  for (const argv of [["help"], ["--help"], ["-h"]]) {
    assertEquals(await runCli(argv), { code: 0, stdout: helpText(), stderr: "" });
  }
  for (const verb of verbs) {
    const expected = { code: 0, stdout: helpText(verb), stderr: "" };
    for (const argv of [["help", verb.name], [verb.name, "--help"], ["--help", verb.name]]) {
      assertEquals(await runCli(argv), expected, argv.join(" "));
    }
  }
});

Deno.test("hook help suggests the nearest verb for one that does not exist", async () => {
  assertEquals(await runCli(["help", "sned"]), {
    code: 2,
    stdout: "",
    stderr: 'hook: error: unknown verb "sned"\nhook: hint: did you mean "hook send"?\n',
  });
});
