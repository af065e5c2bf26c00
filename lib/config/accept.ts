/**
 * From which forges a repository takes deliveries, and by which secrets: `provider` and `secret`, or
 * a list of such pairs under `accept`.
 *
 * @module
 */

import * as v from "valibot";
import { type ProviderName, providers } from "../providers/mod.ts";
import type { ProofOptions, Provider } from "../providers/provider.ts";
import type { Step } from "./lines.ts";
import type { Problem } from "./problem.ts";
import { proofEntries } from "./schema.ts";
import {
  readSecret,
  SecretError,
  secretPath,
  type SecretReader,
  type SecretSource,
} from "./secrets.ts";

/** A forge from which deliveries are taken. */
export interface Acceptance {
  readonly provider: ProviderName;
  /** The values, in the order in which they are tried; never shown. */
  readonly secrets: readonly string[];
  readonly options: ProofOptions;
}

/** What a repository's keys say of it, with what is wrong with them. */
export interface Acceptances {
  readonly accept: readonly Acceptance[];
  /** The files that secrets came from. */
  readonly files: readonly string[];
  /** Whether a secret stands in the configuration itself. */
  readonly isLiteral: boolean;
  readonly problems: readonly Problem[];
}

/** The configuration's keys for what some forges let people choose. */
const OPTION_KEYS = { allow_sha1: "allowSha1", signature_header: "signatureHeader" } as const;

type Entries = typeof proofEntries;
type Map = Readonly<Record<string, unknown>>;

/**
 * Reads them from a repository as it stands in the file; where nothing listens, none is needed. What is of the wrong type is left to the
 * schema to report; the rest is read all the same, so that every error shows at once.
 */
export async function readAcceptances(
  repository: Map,
  base: readonly Step[],
  sources: SecretReader,
  isPublic: boolean,
): Promise<Acceptances> {
  if (repository.accept === undefined) {
    if (repository.secret !== undefined) return await readAcceptance(repository, base, sources);
    if (!isPublic) return NOTHING;
    return { ...NOTHING, problems: [{ path: base, message: '"secret" is missing' }] };
  }
  const beside = Object.keys(proofEntries).filter((key) => repository[key] !== undefined);
  const items: readonly unknown[] = Array.isArray(repository.accept) ? repository.accept : [];
  const read = await Promise.all(items.map((item, index) => {
    return isMap(item) ? readAcceptance(item, [...base, "accept", index], sources) : NOTHING;
  }));
  return {
    accept: read.flatMap(({ accept }) => accept),
    files: read.flatMap(({ files }) => files),
    isLiteral: read.some(({ isLiteral }) => isLiteral),
    problems: [
      ...read.flatMap(({ problems }) => problems),
      ...beside.map((key) => ({
        path: [...base, key],
        message: 'found beside "accept"; allowed: in its items',
      })),
    ],
  };
}

const NOTHING: Acceptances = { accept: [], files: [], isLiteral: false, problems: [] };

function isMap(value: unknown): value is Map {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One key of the map, valid though others may not be. */
function part<Key extends keyof Entries>(
  key: Key,
  map: Map,
): v.InferOutput<Entries[Key]> | undefined {
  const parsed = v.safeParse(proofEntries[key], map[key]);
  return parsed.success ? parsed.output as v.InferOutput<Entries[Key]> : undefined;
}

async function readAcceptance(
  map: Map,
  base: readonly Step[],
  sources: SecretReader,
): Promise<Acceptances> {
  const provider = part("provider", map);
  const secret = part("secret", map);
  const read = await readSecrets(secret ?? [], sources, [...base, "secret"]);
  const { values, files, isLiteral, problems } = read;
  if (provider === undefined) return { accept: [], files, isLiteral, problems };
  const forge: Provider = providers[provider];
  return {
    accept: [{ provider, secrets: values.map(({ value }) => value), options: optionsOf(map) }],
    files,
    isLiteral,
    problems: [
      ...problems,
      ...values.flatMap(({ value, path }) => formProblem(forge, value, path)),
      ...optionProblems(forge, map, base),
    ],
  };
}

/** Secrets with what is wrong with them. */
export interface Secrets {
  readonly values: readonly { readonly value: string; readonly path: readonly Step[] }[];
  readonly files: readonly string[];
  readonly isLiteral: boolean;
  readonly problems: readonly Problem[];
}

/** Reads secrets, and says of each that can't be had why. */
export async function readSecrets(
  secret: SecretSource | SecretSource[],
  sources: SecretReader,
  base: readonly Step[],
): Promise<Secrets> {
  const values: { value: string; path: readonly Step[] }[] = [];
  const files: string[] = [];
  const problems: Problem[] = [];
  const list = Array.isArray(secret) ? secret : [secret];
  for (const [index, source] of list.entries()) {
    const path = [...base, ...Array.isArray(secret) ? [index] : []];
    try {
      values.push({ value: await readSecret(source, sources), path });
      if (typeof source !== "string" && !("env" in source)) files.push(secretPath(source, sources));
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      problems.push({
        path,
        message: `found ${error.message}; allowed: a secret of one line, not empty`,
      });
    }
  }
  return { values, files, isLiteral: list.some((source) => typeof source === "string"), problems };
}

function formProblem({ secretForm }: Provider, value: string, path: readonly Step[]): Problem[] {
  if (secretForm === undefined || secretForm.fits(value)) return [];
  return [{ path, message: `found another form of secret; allowed: ${secretForm.allowed}` }];
}

function optionsOf(map: Map): ProofOptions {
  const allowSha1 = part("allow_sha1", map);
  const signatureHeader = part("signature_header", map);
  return {
    ...allowSha1 !== undefined && { allowSha1 },
    ...signatureHeader !== undefined && { signatureHeader },
  };
}

/** An option of another forge would be believed to work, and does nothing. */
function optionProblems({ name, options = [] }: Provider, map: Map, base: readonly Step[]) {
  return Object.entries(OPTION_KEYS)
    .filter(([key, option]) => map[key] !== undefined && !options.includes(option))
    .map(([key, option]) => {
      const owners = Object.values<Provider>(providers)
        .filter((provider) => provider.options?.includes(option))
        .map((provider) => `"provider: ${provider.name}"`);
      return {
        path: [...base, key],
        message: `found with "provider: ${name}"; allowed: with ${owners.join(" or ")}`,
      };
    });
}
