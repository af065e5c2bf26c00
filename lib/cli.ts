/**
 * The command line: one table of verbs and options, from which the parser, the help and the
 * README's usage section come.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { ConfigError } from "./config.ts";
import { nearest } from "./nearest.ts";
import type { Io } from "./cli/io.ts";

/** An option of a verb. */
export interface Option {
  readonly name: string;
  readonly short?: string;
  /** The value's placeholder; an option without one is a switch. */
  readonly value?: string;
  readonly help: string;
}

/** A verb's arguments, checked against the table. */
export interface Args {
  readonly operands: readonly string[];
  /** The value of an option, where it was given. */
  readonly value: (name: string) => string | undefined;
  /** Whether a switch was given. */
  readonly has: (name: string) => boolean;
}

/** What a verb's file exports. */
export interface VerbModule {
  /** Does it and returns the exit code. */
  readonly run: (args: Args, io: Io) => Promise<number>;
}

/** A row of the table. */
export interface Verb {
  readonly name: string;
  /** The operands as the usage line shows them; those in brackets may be left out. */
  readonly operands: string;
  /** How many operands at least and at most. */
  readonly arity: readonly [least: number, most: number];
  readonly summary: string;
  readonly options: readonly Option[];
  /** Loads the verb's file when it is wanted, not before. */
  readonly load: () => Promise<VerbModule>;
}

/** The arguments are wrong; the message says how, the hint what would be right. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  constructor(message: string, readonly hint?: string) {
    super(message);
  }
}

/** A verb can't do what it was asked; the message says why. */
export class CliError extends Error {
  override readonly name = "CliError";
  constructor(message: string, readonly hint?: string) {
    super(message);
  }
}

const CONFIG: Option = {
  name: "config",
  short: "c",
  value: "FILE",
  help: "the configuration; else $HOOK_CONFIG, else /etc/hook/hook.yaml",
};
const HELP: Option = { name: "help", short: "h", help: "show this help" };

/** Every verb, in the order in which the help shows them. */
export const verbs: readonly Verb[] = [
  {
    name: "serve",
    operands: "",
    arity: [0, 0],
    summary: "run the service",
    options: [CONFIG],
    load: () => import("./cli/serve.ts"),
  },
  {
    name: "check",
    operands: "[NAME…]",
    arity: [0, Infinity],
    summary: "validate the configuration and what it names",
    options: [
      CONFIG,
      { name: "schema", help: "print the configuration's JSON Schema instead" },
    ],
    load: () => import("./cli/check.ts"),
  },
  {
    name: "send",
    operands: "NAME",
    arity: [1, 1],
    summary: "sign and post the delivery that the forge would send",
    options: [
      CONFIG,
      { name: "event", value: "push|ping", help: "what happened; default push" },
      { name: "ref", value: "REF", help: "what was pushed; default the deployed branch" },
      { name: "url", value: "URL", help: "where to post; default the configured listener" },
      { name: "payload", value: "FILE", help: "a body to sign and post as it is" },
      { name: "wait", help: "wait until the deployment has ended" },
    ],
    load: () => import("./cli/send.ts"),
  },
  {
    name: "version",
    operands: "",
    arity: [0, 0],
    summary: "print the version, and with --json what the binary may do",
    options: [{ name: "json", help: "print JSON: Deno, V8, git, permissions" }],
    load: () => import("./cli/version.ts"),
  },
  {
    name: "help",
    operands: "[VERB]",
    arity: [0, 1],
    summary: "show help",
    options: [],
    load: () => import("./cli/help.ts"),
  },
];

/** Runs the command line and returns the exit code: 0 done, 1 failed, 2 wrong usage or configuration. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    const { verb, args } = parse(argv);
    const { run } = await verb.load();
    return await run(args, io);
  } catch (error) {
    return report(error, io);
  }
}

/** Says on stderr what went wrong. */
function report(error: unknown, io: Io): number {
  if (error instanceof ConfigError) {
    for (const problem of error.problems) io.stderr(`hook: error: ${problem}\n`);
    return 2;
  }
  const message = error instanceof Error ? error.message : String(error);
  io.stderr(`hook: error: ${message}\n`);
  if (error instanceof Error && "hint" in error && typeof error.hint === "string") {
    io.stderr(`hook: hint: ${error.hint}\n`);
  }
  return error instanceof UsageError ? 2 : 1;
}

/**
 * Understands the arguments.
 *
 * @throws {UsageError} where they do not fit the table
 */
export function parse(argv: readonly string[]): { verb: Verb; args: Args } {
  const [first, ...rest] = argv;
  if (first === undefined) {
    throw new UsageError("no verb", 'what can be done: "hook help"');
  }
  if (first === "--help" || first === "-h") return { verb: verbNamed("help"), args: NO_ARGS };
  if (first === "--version" || first === "-V") return { verb: verbNamed("version"), args: NO_ARGS };
  const verb = verbNamed(first);
  const args = parseOptions(verb, rest);
  if (args.has("help")) return { verb: verbNamed("help"), args: { ...NO_ARGS, operands: [first] } };
  const [least, most] = verb.arity;
  if (args.operands.length < least) {
    throw new UsageError(`"${first}" needs ${verb.operands}`, usageHint(verb));
  }
  if (args.operands.length > most) {
    throw new UsageError(`"${first}" does not take "${args.operands[most]}"`, usageHint(verb));
  }
  return { verb, args };
}

const NO_ARGS: Args = { operands: [], value: () => undefined, has: () => false };

/**
 * Finds a verb.
 *
 * @throws {UsageError} with the nearest one where there is none of that name
 */
export function verbNamed(name: string): Verb {
  const found = verbs.find((verb) => verb.name === name);
  if (found !== undefined) return found;
  const what = name.startsWith("-") ? "option" : "verb";
  const near = nearest(name, verbs.map((verb) => verb.name));
  throw new UsageError(
    `unknown ${what} "${name}"`,
    near === undefined ? 'what can be done: "hook help"' : `did you mean "hook ${near}"?`,
  );
}

function usageHint(verb: Verb): string {
  return `usage: ${usage(verb)}`;
}

/** The usage line of a verb, without its options. */
export function usage({ name, operands, options }: Verb): string {
  return ["hook", name, operands, options.length > 0 ? "[OPTIONS]" : ""]
    .filter((part) => part !== "").join(" ");
}

function parseOptions(verb: Verb, argv: readonly string[]): Args {
  const options = [...verb.options, HELP];
  const withValue = options.filter(({ value }) => value !== undefined).map(({ name }) => name);
  const switches = options.filter(({ value }) => value === undefined).map(({ name }) => name);
  const alias = Object.fromEntries(
    options.flatMap(({ name, short }) => short === undefined ? [] : [[short, name]]),
  );
  const parsed = parseArgs([...argv], {
    string: ["_", ...withValue],
    boolean: switches,
    alias,
    collect: withValue,
    unknown: (arg: string) => {
      if (!arg.startsWith("-") || arg === "-") return true;
      throw unknownOption(verb, options, arg);
    },
  }) as { readonly _: string[]; readonly [name: string]: unknown };
  const values = new Map<string, string>();
  for (const name of withValue) {
    const given = (parsed[name] ?? []) as string[];
    if (given.length > 1) throw new UsageError(`"--${name}" is given twice`, usageHint(verb));
    if (given[0] === "") throw new UsageError(`"--${name}" needs a value`, usageHint(verb));
    if (given[0] !== undefined) values.set(name, given[0]);
  }
  return {
    operands: parsed._,
    value: (name) => values.get(name),
    has: (name) => parsed[name] === true,
  };
}

function unknownOption(verb: Verb, options: readonly Option[], arg: string): UsageError {
  const name = arg.replace(/^-+/, "").replace(/=.*$/s, "");
  const near = nearest(name, options.map((option) => option.name));
  return new UsageError(
    `unknown option "${arg.replace(/=.*$/s, "")}" of "${verb.name}"`,
    near === undefined ? `its options: "hook help ${verb.name}"` : `did you mean "--${near}"?`,
  );
}

/** The help of everything, or of one verb; at most 80 columns wide. */
export function helpText(verb?: Verb): string {
  if (verb !== undefined) {
    const options = [...verb.options, HELP].map((option) =>
      [optionText(option), option.help] as const
    );
    return `Usage: ${usage(verb)}\n\n${capitalised(verb.summary)}.\n\nOptions:\n${table(options)}`;
  }
  const rows = verbs.map((each) => [`${each.name} ${each.operands}`.trim(), each.summary] as const);
  return `hook puts a checkout where a push is: it takes the webhook of a forge,
verifies it, and brings the checkout to what the remote holds.

Usage: hook VERB [OPTIONS]

Verbs:
${table(rows)}
Help of a verb: hook help VERB. Exit codes: 0 done, 1 failed,
2 wrong usage or configuration.
`;
}

function optionText({ name, short, value }: Option): string {
  const long = `--${name}${value === undefined ? "" : ` ${value}`}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}\n`).join("");
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
