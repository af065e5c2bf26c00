/**
 * The command line: one table of verbs and options, from which the parser, the help (`cli/help.ts`)
 * and the README's usage section come.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { ConfigError } from "./config.ts";
import { nearest } from "./nearest.ts";
import { printable } from "./values.ts";
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
const ADMIN: Option = {
  name: "admin",
  value: "ADDRESS",
  help: "where the service listens for verbs; else $HOOK_ADMIN, else as configured",
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
      ADMIN,
      { name: "online", help: "try every remote, path, hook and file, as the service" },
      { name: "schema", help: "print the configuration's JSON Schema instead" },
    ],
    load: () => import("./cli/check.ts"),
  },
  {
    name: "init",
    operands: "NAME",
    arity: [1, 1],
    summary: "add a repository with a new secret, and print what to tell the forge",
    options: [
      CONFIG,
      { name: "path", value: "DIR", help: "where it is deployed: a checkout, or a new directory" },
      { name: "remote", value: "URL", help: "what to fetch; default the checkout's origin" },
      { name: "branch", value: "B", help: "what to deploy; default the checkout's branch" },
      { name: "provider", value: "P", help: "the forge that delivers; default coding" },
    ],
    load: () => import("./cli/init.ts"),
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
    name: "status",
    operands: "[NAME]",
    arity: [0, 1],
    summary: "what is deployed where, what runs, what failed, what is held",
    options: [CONFIG, ADMIN, { name: "json", help: "print JSON" }],
    load: () => import("./cli/status.ts"),
  },
  {
    name: "log",
    operands: "[NAME]",
    arity: [0, 1],
    summary: "deployments and deliveries, the newest first, with their output",
    options: [
      CONFIG,
      ADMIN,
      { name: "json", help: "print JSON" },
      { name: "limit", value: "N", help: "how many entries; default 20" },
    ],
    load: () => import("./cli/log.ts"),
  },
  {
    name: "deploy",
    operands: "NAME",
    arity: [1, 1],
    summary: "deploy the tip now; ends a hold",
    options: [CONFIG, ADMIN, { name: "wait", help: "wait until the deployment has ended" }],
    load: () => import("./cli/deploy.ts"),
  },
  {
    name: "rollback",
    operands: "NAME",
    arity: [1, 1],
    summary: "go back to the deployment before, and hold",
    options: [
      CONFIG,
      ADMIN,
      { name: "to", value: "DEPLOYMENT", help: "its number in the log, or a commit" },
    ],
    load: () => import("./cli/rollback.ts"),
  },
  {
    name: "hold",
    operands: "NAME",
    arity: [1, 1],
    summary: "stop deploying a repository",
    options: [CONFIG, ADMIN, { name: "reason", value: "TEXT", help: "shown in the status" }],
    load: () => import("./cli/hold.ts"),
  },
  {
    name: "resume",
    operands: "NAME",
    arity: [1, 1],
    summary: "go on deploying a repository",
    options: [CONFIG, ADMIN],
    load: () => import("./cli/resume.ts"),
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
  const message = error instanceof Error ? error.message : String(error);
  for (const problem of error instanceof ConfigError ? error.problems : [message]) {
    io.stderr(`hook: error: ${problem}\n`);
  }
  if (error instanceof Error && "hint" in error && typeof error.hint === "string") {
    io.stderr(`hook: hint: ${error.hint}\n`);
  }
  return error instanceof UsageError || error instanceof ConfigError ? 2 : 1;
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
  if (first === "--help" || first === "-h") return parse(["help", ...rest]);
  if (first === "--version" || first === "-V") return parse(["version", ...rest]);
  const verb = verbNamed(first);
  const args = parseOptions(verb, rest);
  if (args.has("help")) return { verb: verbNamed("help"), args: { ...NO_ARGS, operands: [first] } };
  const [least, most] = verb.arity;
  if (args.operands.length < least) {
    throw new UsageError(`"${first}" needs ${verb.operands}`, usageHint(verb));
  }
  if (args.operands.length > most) {
    const surplus = printable(args.operands[most]!);
    throw new UsageError(`"${first}" does not take "${surplus}"`, usageHint(verb));
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
  if (name.startsWith("-")) {
    throw new UsageError(
      `"${printable(name)}" is no verb`,
      "the verb comes first: hook VERB [OPTIONS]",
    );
  }
  const near = nearest(name, verbs.map((verb) => verb.name));
  throw new UsageError(
    `unknown verb "${printable(name)}"`,
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

/** The options of a verb, with the one that all have. */
export function optionsOf(verb: Verb): readonly Option[] {
  return [...verb.options, HELP];
}

function parseOptions(verb: Verb, argv: readonly string[]): Args {
  const options = optionsOf(verb);
  const withValue = options.filter(({ value }) => value !== undefined).map(({ name }) => name);
  const switches = options.filter(({ value }) => value === undefined).map(({ name }) => name);
  refuseValues(verb, switches, argv);
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

/** `--wait=no` would be read as if `--wait` were absent. */
function refuseValues(verb: Verb, switches: readonly string[], argv: readonly string[]): void {
  const end = argv.indexOf("--");
  for (const arg of end === -1 ? argv : argv.slice(0, end)) {
    const name = /^--([^=]+)=/.exec(arg)?.[1];
    if (name !== undefined && switches.includes(name)) {
      throw new UsageError(`"--${name}" takes no value`, usageHint(verb));
    }
  }
}

function unknownOption(verb: Verb, options: readonly Option[], arg: string): UsageError {
  const given = arg.replace(/=.*$/s, "");
  const near = nearest(given.replace(/^-+/, ""), options.map((option) => option.name));
  return new UsageError(
    `unknown option "${printable(given)}" of "${verb.name}"`,
    near === undefined ? `its options: "hook help ${verb.name}"` : `did you mean "--${near}"?`,
  );
}
