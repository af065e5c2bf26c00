import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  readSecret,
  SecretError,
  secretPath,
  type SecretSource,
  unreadable,
} from "../../lib/config/secrets.ts";
import { type Given, sourcesOf } from "../support/config_sources.ts";
import { anyText } from "../support/texts.ts";

function read(source: SecretSource, given?: Given): Promise<string> {
  return readSecret(source, sourcesOf(given));
}

async function refusal(source: SecretSource, given?: Given): Promise<string> {
  const error = await assertRejects(() => read(source, given), SecretError);
  return error.message;
}

Deno.test("readSecret() takes a text as it is", async () => {
  for (const secret of ["change-me", " with blanks ", "密钥", "#", "\t"]) {
    assertEquals(await read(secret), secret);
  }
});

Deno.test("readSecret() takes a variable as it is", async () => {
  const env = { HOOK_SECRET_APP: " s " };
  assertEquals(await read({ env: "HOOK_SECRET_APP" }, { env }), " s ");
});

Deno.test("readSecret() takes off a file's byte order mark and one line end, and no more", async () => {
  for (
    const [text, secret] of [
      ["s", "s"],
      ["s\n", "s"],
      ["s\r\n", "s"],
      ["\ufeffs\r\n", "s"],
      ["  s  \n", "  s  "],
      ["s\ufeff", "s\ufeff"],
    ] as const
  ) {
    assertEquals(
      await read({ file: "/s" }, { files: { "/s": text } }),
      secret,
      JSON.stringify(text),
    );
  }
});

Deno.test("readSecret() finds a credential in systemd's directory", async () => {
  const given = { files: { "/run/credentials/app": "s\n" }, credentials: "/run/credentials" };
  assertEquals(await read({ credential: "app" }, given), "s");
});

Deno.test("readSecret() refuses an empty secret, and says where it was", async () => {
  assertEquals(await refusal(""), "a text, which is empty");
  assertEquals(
    await refusal({ env: "HOOK_SECRET_X" }, { env: { HOOK_SECRET_X: "" } }),
    "the environment variable HOOK_SECRET_X, which is empty",
  );
  for (const text of ["", "\n", "\r\n", "\ufeff\n"]) {
    const said = await refusal({ file: "/s" }, { files: { "/s": text } });
    assertEquals(said, 'the file "/s", which is empty', JSON.stringify(text));
  }
});

Deno.test("readSecret() refuses what no forge's form can hold", async () => {
  assertEquals(await refusal("a\nb"), "a text with a line end in the secret");
  assertEquals(await refusal("a\n"), "a text with a line end in the secret");
  const files = { "/two": "a\n\n", "/latin1": "a\ufffd" };
  assertEquals(
    await refusal({ file: "/two" }, { files }),
    'the file "/two" with a line end in the secret',
  );
  assertEquals(
    await refusal({ file: "/latin1" }, { files }),
    'the file "/latin1", which is not UTF-8',
  );
});

Deno.test("readSecret() says what is missing", async () => {
  assertEquals(
    await refusal({ env: "HOOK_SECRET_X" }),
    "the environment variable HOOK_SECRET_X, which is not set",
  );
  assertEquals(
    await refusal({ file: "/none" }),
    'the file "/none", which cannot be read: it does not exist',
  );
  assertEquals(
    await refusal({ credential: "app" }),
    'the credential "app", and systemd passed none',
  );
  assertEquals(
    await refusal({ credential: "app" }, { credentials: "/run/credentials" }),
    'the file "/run/credentials/app", which cannot be read: it does not exist',
  );
});

Deno.test("readSecret() gives the secret or an error without it", async () => {
  await fc.assert(fc.asyncProperty(anyText, async (text) => {
    for (const source of [text, { file: "/s" }, { env: "HOOK_SECRET_X" }]) {
      const given = { files: { "/s": text }, env: { HOOK_SECRET_X: text } };
      try {
        const secret = await read(source, given);
        assertEquals(text.includes(secret) && secret !== "", true);
      } catch (error) {
        assertEquals(error instanceof SecretError, true);
        const said = (error as Error).message;
        assertEquals(text.length > 3 && said.includes(text), false, said);
      }
    }
  }));
});

Deno.test("secretPath() is the file, or the credential's", () => {
  assertEquals(secretPath({ file: "/etc/s" }, { credentials: undefined }), "/etc/s");
  assertEquals(secretPath({ credential: "app" }, { credentials: "/run/c" }), "/run/c/app");
  assertThrows(() => secretPath({ credential: "app" }, { credentials: undefined }), SecretError);
});

Deno.test("unreadable() knows the usual causes and tells no more of the others than their name", () => {
  for (
    const [error, words] of [
      [new Deno.errors.NotFound("x"), "it does not exist"],
      [new Deno.errors.NotADirectory("x"), "it does not exist"],
      [new Deno.errors.PermissionDenied("x"), "permission denied"],
      [new Deno.errors.IsADirectory("x"), "it is a directory"],
      [new TypeError("x"), "TypeError"],
      ["x", "unknown error"],
    ] as const
  ) assertEquals(unreadable(error), words);
});
