/**
 * `deno task usage`: writes the help of every verb into the READMEs, between their marks.
 *
 * @module
 */
import { verbs } from "../lib/cli.ts";
import { helpText } from "../lib/cli/help.ts";

/** Both say the same, in English and in Chinese. */
export const READMES = ["README.md", "README.zh-CN.md"] as const;

const BEGIN = /<!-- usage: [^\n]* -->\n/;
const END = "<!-- /usage -->";

/** The text of the section: the general help in view, and the verbs' own behind a fold. */
export function usageSection(): string {
  const each = verbs.map((verb) => `$ hook help ${verb.name}\n${helpText(verb)}`).join("\n");
  const fold = `<details>\n<summary><code>hook help VERB</code></summary>\n\n`;
  return `\n\`\`\`\n${helpText()}\`\`\`\n\n${fold}\`\`\`\n${each}\`\`\`\n\n</details>\n\n`;
}

/**
 * A README with the section as it should be.
 *
 * @throws {Error} where a mark is missing
 */
export function withUsage(readme: string): string {
  const begin = BEGIN.exec(readme);
  const end = readme.indexOf(END);
  if (begin === null || end < begin.index) throw new Error("the marks of the usage are missing");
  return readme.slice(0, begin.index) + begin[0] + usageSection() + readme.slice(end);
}

if (import.meta.main) {
  for (const name of READMES) {
    const url = new URL(`../${name}`, import.meta.url);
    Deno.writeTextFileSync(url, withUsage(Deno.readTextFileSync(url)));
  }
}
