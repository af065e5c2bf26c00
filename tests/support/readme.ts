/** The commands that the READMEs show, and those that a test can't run. */

import { parseMarkdown, withoutComments } from "./markdown.ts";

const ROOT = new URL("../../", import.meta.url);

/** The text of a file at the root of the project. */
export function readFromRoot(name: string): string {
  return Deno.readTextFileSync(new URL(name, ROOT));
}

/** Every line of the blocks in `sh` that a reader is meant to type, without comments, in order. */
export function commandsOf(readme: string): string[] {
  return parseMarkdown(readme).code
    .filter(({ language, text }) => language === "sh" && !text.startsWith("#!"))
    .flatMap(({ text }) => withoutComments(text).split("\n"));
}

/** What is left out, and why. A hook's script, which begins with `#!`, needs a project in Django. */
export const NOT_RUN: readonly (readonly [commands: RegExp, reason: string])[] = [
  [/^npx -y deno@\S+ task (?:demo|test|build)$/, "CI runs these, and this test is part of one"],
  [/^(?:systemctl|journalctl) /, "needs systemd, and would change this machine"],
  [/^(?:chown|usermod) /, "needs root, and a user www"],
];

/** Why a command is not run; undefined for one that is. */
export function notRunBecause(command: string): string | undefined {
  return NOT_RUN.find(([commands]) => commands.test(command))?.[1];
}
