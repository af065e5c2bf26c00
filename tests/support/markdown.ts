/** What the tests want of Markdown as `deno fmt` writes it: headings, tables and code. */

/** A block between fences. */
export interface Code {
  /** What stands behind the opening fence, such as `sh`. */
  readonly language: string;
  readonly text: string;
  /** The heading of level 2 that it stands below. */
  readonly section: string;
}

/** A table without the line below its head; each cell as it stands between the bars. */
export interface Table {
  readonly section: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Document {
  readonly headings: readonly { readonly level: number; readonly text: string }[];
  readonly code: readonly Code[];
  readonly tables: readonly Table[];
}

/** Takes a document apart. */
export function parseMarkdown(text: string): Document {
  const headings: { level: number; text: string }[] = [];
  const code: Code[] = [];
  const tables: { section: string; head: string[]; rows: string[][] }[] = [];
  let section = "";
  let fence: { language: string; lines: string[] } | undefined;
  let isTable = false;
  for (const line of text.split("\n")) {
    const mark = /^```(.*)$/.exec(line)?.[1];
    if (fence !== undefined) {
      if (mark === undefined) fence.lines.push(line);
      else {
        code.push({ language: fence.language, text: fence.lines.join("\n"), section });
        fence = undefined;
      }
      continue;
    }
    if (mark !== undefined) fence = { language: mark, lines: [] };
    const [, marks, heading] = /^(#+) (.*)$/.exec(line) ?? [];
    if (marks !== undefined && heading !== undefined) {
      headings.push({ level: marks.length, text: heading });
      if (marks.length === 2) section = heading;
    }
    const row = cells(line);
    if (row !== undefined) {
      if (!isTable) tables.push({ section, head: row, rows: [] });
      else if (!row.every((cell) => /^-+$/.test(cell))) tables.at(-1)!.rows.push(row);
    }
    isTable = row !== undefined;
  }
  if (fence !== undefined) throw new Error("a fence is open at the end");
  return { headings, code, tables };
}

/** The cells of a table's line; a bar in one is written `\|`. */
function cells(line: string): string[] | undefined {
  if (!/^\|.*\|$/.test(line)) return undefined;
  return line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim());
}

/** What stands between backticks in a text. */
export function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** Code without comments, which are for people and so differ from language to language. */
export function withoutComments(text: string): string {
  return text.split("\n")
    .map((line) => line.replace(/(?:^|\s+)#(?!!).*$/, ""))
    .filter((line) => line !== "")
    .join("\n");
}
