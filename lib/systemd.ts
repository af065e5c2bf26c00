/**
 * What systemd tells a service through its environment.
 *
 * @module
 */

/** Reads one of our own environment variables. */
export type Env = (name: string) => string | undefined;

/** The directory of the credentials that `LoadCredential=` passed, where there is one. */
export function credentialsDirectory(env: Env): string | undefined {
  return env("CREDENTIALS_DIRECTORY");
}
