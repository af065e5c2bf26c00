/**
 * What the YAML parser complains about, in words that help and without its quotations, which may
 * be a secret.
 *
 * @module
 */

/** A complaint about the text, before its meaning is known. */
export interface YamlProblem {
  /** From 1, where the parser knows it. */
  readonly line?: number;
  readonly message: string;
}

interface Meaning {
  /** The parser's words. */
  readonly said: RegExp;
  /** Ours. */
  readonly message: string;
  /** What the line holds that the message is about; the parser may have read on to a later one. */
  readonly mark?: RegExp;
}

/** What the parser's messages mean; the first that fits. */
const MEANINGS: readonly Meaning[] = [
  {
    said: /\balias\b/,
    message: 'a word that begins with "*" refers to an anchor; a text that does needs quotes',
    mark: /\*/,
  },
  {
    said: /\banchor\b/,
    message: 'a word that begins with "&" is an anchor; a text that does needs quotes',
    mark: /&/,
  },
  {
    said: /\btag\b/,
    message: 'a word that begins with "!" is a tag; a text that does needs quotes',
    mark: /!/,
  },
  {
    said: /directive/i,
    message: 'a line that begins with "%" is a directive; a text that does needs quotes',
    mark: /^%/,
  },
  {
    said: /within a (?:single|double) quoted scalar/,
    message: "a quotation mark that was opened above is never closed",
  },
  {
    said: /double quoted scalar/,
    message:
      "this escape sequence does not exist; in single quotes a backslash is only a backslash",
  },
  {
    said: /flow collection/,
    message: 'a "[" or "{" that was opened above is not closed, or a comma is missing; ' +
      "a text that begins so needs quotes",
  },
  {
    said: /more than 1 document/,
    message: 'a second document begins ("---"); allowed: one',
  },
  { said: /non-printable|valid JSON character/, message: "a control character" },
  { said: /call stack/, message: "nested too deeply" },
  {
    said: /block|implicit|end of the stream or a document separator/,
    message: 'neither KEY: VALUE nor "- ITEM", or not indented as its neighbours; ' +
      'a text with ": " in it or with a special character first needs quotes',
  },
];

/**
 * Translates what the parser threw.
 *
 * @param text what it was reading
 */
export function yamlProblem(error: Error, text: string): YamlProblem {
  const [said = ""] = error.message.split("\n", 1);
  const meaning = MEANINGS.find((each) => each.said.test(said));
  const message = meaning?.message ?? "it cannot be understood";
  if (!("line" in error) || typeof error.line !== "number") return notYaml(message);
  const read = linesOf(text).slice(0, error.line);
  if (/duplicated key/.test(said)) {
    return notYaml(`${onlyKey(read[error.line - 1])} stands twice in one map`, error.line);
  }
  if (/multiline key/.test(said)) {
    // That a line is no key shows only where the next one begins.
    return notYaml(message, lastLine(read.slice(0, -1), /^\s*[^\s#]/) ?? error.line);
  }
  return notYaml(message, meaning?.mark && lastLine(read, meaning.mark) || error.line);
}

function notYaml(message: string, line?: number): YamlProblem {
  return { message: `not valid YAML: ${message}`, ...line !== undefined && { line } };
}

/** The number of the last line that has it. */
function lastLine(lines: readonly string[], pattern: RegExp): number | undefined {
  const index = lines.findLastIndex((line) => pattern.test(line));
  return index === -1 ? undefined : index + 1;
}

/** The key of a line with no more than one. */
function onlyKey(line = ""): string {
  const keys = [...line.matchAll(/([\w.-]+)["']?\s*:(?:\s|$)/g)];
  return keys.length === 1 ? `the key "${keys[0]![1]}"` : "a key";
}

/** YAML forbids tabs in the indentation; the parser takes such a line for one without any. */
export function tabProblem(text: string): YamlProblem | undefined {
  const index = linesOf(text).findIndex((line) => /^ *\t\s*[^\s#]/.test(line));
  return index === -1 ? undefined : notYaml("a tab in the indentation; allowed: blanks", index + 1);
}

function linesOf(text: string): string[] {
  return text.split(/\r\n?|\n/);
}
