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

/**
 * Where the state is kept unless the configuration says otherwise: the unit's `StateDirectory=`, else
 * what the XDG base directory specification gives for the user.
 */
export function stateDirectory(env: Env): string {
  const [unit] = (env("STATE_DIRECTORY") ?? "").split(":", 1);
  if (unit) return unit;
  const home = env("XDG_STATE_HOME") ?? `${env("HOME") ?? "/root"}/.local/state`;
  return `${home}/hook`;
}

/** Where the verbs reach the service: the unit's `RuntimeDirectory=`, else beside the state. */
export function adminSocket(env: Env, state: string): string {
  const [unit] = (env("RUNTIME_DIRECTORY") ?? "").split(":", 1);
  return `${unit || state}/admin.sock`;
}
