/**
 * What the tasks write for people: on stderr, within 80 columns, in colour only where wanted.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Whether stderr may carry colour: a terminal, and no `NO_COLOR` with a value. */
function colourful(): boolean {
  return Deno.stderr.isTerminal() && !Deno.env.get("NO_COLOR");
}

function paint(code: number, text: string): string {
  return colourful() ? `\x1b[${code}m${text}\x1b[0m` : text;
}

export const bold = (text: string): string => paint(1, text);
export const dim = (text: string): string => paint(2, text);
export const red = (text: string): string => paint(31, text);
export const yellow = (text: string): string => paint(33, text);

/** Writes one line to stderr. */
export function say(line: string): void {
  Deno.stderr.writeSync(encoder.encode(line + "\n"));
}

/** Milliseconds as a person reads them: `41 ms`, `3.1 s`. */
export function duration(milliseconds: number): string {
  return milliseconds < 1_000
    ? `${Math.round(milliseconds)} ms`
    : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/** Bytes in the decimal units that file managers and `ls --si` use. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
