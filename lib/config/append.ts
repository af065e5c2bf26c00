/**
 * Adding a repository to a configuration's text, so that comments, order and spelling of what is
 * there stay as they are. It knows as much of YAML's block style as configurations use; whoever
 * calls it reads the result again before it counts.
 *
 * @module
 */

/** The text is in a style that only its author can extend. */
export class AppendError extends Error {
  override readonly name = "AppendError";
}

/** A repository's keys; a map has its own lines. */
export type Entry = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

/** The key at the top, plain or quoted, and what follows it. */
const REPOSITORIES = /^(?:repositories|"repositories"|'repositories')[ \t]*:(?=\s|$)(.*)$/;

/** What may follow the key and still be filled: nothing, or something empty. */
const EMPTY = /^[ \t]*(?:null|~|\{[ \t]*\})?[ \t]*(#.*)?$/;

/**
 * Adds an entry to the map `repositories`, as its last, or the map with it.
 *
 * @throws {AppendError} where the map is written in braces
 */
export function appendRepository(text: string, name: string, entry: Entry): string {
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  const lines = text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
  const start = lines.findIndex((line) => REPOSITORIES.test(line.replace(/^\ufeff/, "")));
  if (start === -1) {
    lines.push("repositories:", ...entryLines(name, entry, 2));
    return lines.join(eol) + eol;
  }
  const [, rest = ""] = REPOSITORIES.exec(lines[start]!.replace(/^\ufeff/, ""))!;
  const comment = EMPTY.exec(rest);
  if (comment === null) throw new AppendError("repositories is not written line by line");
  const key = lines[start]!.slice(0, lines[start]!.length - rest.length);
  lines[start] = comment[1] === undefined ? key : `${key} ${comment[1]}`;
  const { end, indent } = blockAfter(lines, start);
  lines.splice(end, 0, ...entryLines(name, entry, indent));
  return lines.join(eol) + eol;
}

/** Where the block below a line ends, and how far its keys are indented. */
function blockAfter(lines: readonly string[], start: number): { end: number; indent: number } {
  let end = start + 1;
  let indent: number | undefined;
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index]!;
    const content = line.trimStart();
    const column = line.length - content.length;
    if (content === "" || (column === 0 && content.startsWith("#"))) continue;
    if (column === 0) break;
    if (!content.startsWith("#")) indent ??= column;
    end = index + 1;
  }
  return { end, indent: indent ?? 2 };
}

/** An entry's lines; `indent` is that of its name. */
function entryLines(name: string, entry: Entry, indent: number): string[] {
  const at = (level: number) => " ".repeat(indent + 2 * level);
  return [
    `${at(0)}${scalar(name)}:`,
    ...Object.entries(entry).flatMap(([key, value]) => {
      if (typeof value === "string") return [`${at(1)}${key}: ${scalar(value)}`];
      const inner = Object.entries(value).map(([key, text]) => `${at(2)}${key}: ${scalar(text)}`);
      return [`${at(1)}${key}:`, ...inner];
    }),
  ];
}

/** Words that YAML takes for something other than a text. */
const WORDS = /^(?:true|false|yes|no|on|off|null|y|n)$/i;

/** A text as YAML writes it: plain where nothing in it could mean something else. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z/][A-Za-z0-9_./@+:-]*$/.test(text) && !text.endsWith(":");
  return isPlain && !WORDS.test(text) ? text : JSON.stringify(text);
}
