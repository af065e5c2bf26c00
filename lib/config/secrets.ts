/**
 * Where secrets come from. Their values stay out of every message: an error names the place.
 *
 * @module
 */

/** Where a secret is kept. */
export type SecretPlace =
  | { readonly file: string }
  | { readonly env: string }
  | { readonly credential: string };

/** A secret as the configuration names it: itself, or where it is kept. */
export type SecretSource = string | SecretPlace;

/** What secrets are read from. */
export interface SecretReader {
  readFile(path: string): Promise<string>;
  env(name: string): string | undefined;
  /** The directory of systemd's credentials, where there is one. */
  readonly credentials: string | undefined;
}

/** A secret that can't be had; the message says what was found, without any content. */
export class SecretError extends Error {
  override readonly name = "SecretError";
}

/**
 * Reads a secret. A byte order mark and one line end around a file's text are the editor's, not the
 * secret's.
 *
 * @throws {SecretError} where there is none, an empty one, or one that no forge could have sent
 */
export async function readSecret(source: SecretSource, reader: SecretReader): Promise<string> {
  if (typeof source === "string") return usable(source, "a text");
  if ("env" in source) {
    const place = `the environment variable ${source.env}`;
    const value = reader.env(source.env);
    if (value === undefined) throw new SecretError(`${place}, which is not set`);
    return usable(value, place);
  }
  const path = secretPath(source, reader);
  const place = `the file "${path}"`;
  let text: string;
  try {
    text = await reader.readFile(path);
  } catch (error) {
    throw new SecretError(`${place}, which cannot be read: ${unreadable(error)}`);
  }
  return usable(text.replace(/^\ufeff/, "").replace(/\r?\n$/, ""), place);
}

/** The file that holds a secret, where a file does. */
export function secretPath(
  source: Exclude<SecretSource, string | { env: string }>,
  { credentials }: Pick<SecretReader, "credentials">,
): string {
  if ("file" in source) return source.file;
  if (credentials === undefined) {
    throw new SecretError(`the credential "${source.credential}", and systemd passed none`);
  }
  return `${credentials}/${source.credential}`;
}

function usable(value: string, place: string): string {
  if (value === "") throw new SecretError(`${place}, which is empty`);
  // What a forge's form can't hold would only show as deliveries refused.
  if (/[\r\n]/.test(value)) throw new SecretError(`${place} with a line end in the secret`);
  if (value.includes("\ufffd")) throw new SecretError(`${place}, which is not UTF-8`);
  return value;
}

/** Why a file can't be read, in words that follow a colon. */
export function unreadable(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.NotADirectory) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  return error instanceof Error ? error.name : "unknown error";
}
