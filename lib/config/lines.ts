/**
 * Finding the line of a key. The YAML parser gives values without their places, so this looks for
 * a key by its indentation in block style, which is how configurations are written. Where a part is
 * in another style, the answer is the nearest line around it.
 *
 * @module
 */

/** A step into a document: a key of a map, or an index of a list. */
export type Step = string | number;

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

/**
 * Prepares the search in a document.
 *
 * @returns a function that gives the line (from 1) of what a path leads to, or of the last step that
 * could be found
 */
export function lineFinder(source: string): (path: readonly Step[]) => number | undefined {
  const lines = contentLines(source);
  return (path) => {
    let block: readonly Line[] = lines;
    let found: number | undefined;
    for (const step of path) {
      const [first] = block;
      if (first === undefined) return found;
      const children = block.filter(({ indent }) => indent === first.indent);
      const start = typeof step === "number" ? item(children, step) : key(children, step);
      if (start === undefined) return found;
      found = start.number;
      block = below(block, start);
    }
    return found;
  };
}

function contentLines(source: string): Line[] {
  // The byte order mark counts as white space, and so as indentation.
  return source.replace(/^\ufeff/, "").split(/\r\n?|\n/).flatMap((raw, index) => {
    const text = raw.trimStart();
    if (text === "" || text.startsWith("#") || text.startsWith("---")) return [];
    return [{ number: index + 1, indent: raw.length - text.length, text }];
  });
}

function key(lines: readonly Line[], name: string): Line | undefined {
  const spellings = [name, `"${name}"`, `'${name}'`];
  return lines.find(({ text }) =>
    spellings.some((spelling) =>
      text.startsWith(spelling) && /^\s*:(?:\s|$)/.test(text.slice(spelling.length))
    )
  );
}

function item(lines: readonly Line[], index: number): Line | undefined {
  return lines.filter(({ text }) => isItem(text))[index];
}

function isItem(text: string): boolean {
  return text === "-" || text.startsWith("- ");
}

/** The lines that belong to `start`; what follows a list's dash counts as a line of its own. */
function below(block: readonly Line[], start: Line): Line[] {
  const lines: Line[] = [];
  if (isItem(start.text)) {
    const text = start.text.slice(1).trimStart();
    const indent = start.indent + start.text.length - text.length;
    if (text !== "") lines.push({ number: start.number, indent, text });
  }
  for (const line of block.slice(block.indexOf(start) + 1)) {
    // A list may stand at the same indentation as the key that it belongs to.
    const isOwnItem = line.indent === start.indent && isItem(line.text) && !isItem(start.text);
    if (line.indent <= start.indent && !isOwnItem) break;
    lines.push(line);
  }
  return lines;
}
