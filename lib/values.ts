/**
 * Values that have been checked once and carry the proof in their type, so that no string from
 * a file or from the network reaches git's command line or the file system unread.
 *
 * @module
 */

declare const checked: unique symbol;
type Checked<Kind extends string> = string & { readonly [checked]: Kind };

/** A repository's name in the configuration and in URLs: `[a-z0-9][a-z0-9._-]{0,63}`. */
export type RepositoryName = Checked<"RepositoryName">;

/** An absolute, normalised path without control characters; never the root itself. */
export type AbsolutePath = Checked<"AbsolutePath">;

/** The name of a branch without `refs/heads/`, valid by the rules of `git check-ref-format`. */
export type BranchName = Checked<"BranchName">;

/** Where a repository is cloned and fetched from; no option, no password, no exotic transport. */
export type RemoteUrl = Checked<"RemoteUrl">;

/** A full object name: 40 hexadecimal digits (SHA-1) or 64 (SHA-256), in lower case. */
export type Sha = Checked<"Sha">;

/** C0 and C1 controls, DEL, and the line separators that terminals and logs take for line ends. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Whether a text means the same to a file system, to git and to whoever reads it in a log. */
function isClean(text: string): boolean {
  // Half a surrogate pair would reach a command line as another character.
  return text.isWellFormed() && !CONTROL.test(text);
}

const REPOSITORY_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Returns the name, or undefined where the text is not one. */
export function repositoryName(text: string): RepositoryName | undefined {
  return REPOSITORY_NAME.test(text) ? text as RepositoryName : undefined;
}

/**
 * Returns the path without trailing or double slashes, or undefined where it is relative, has a
 * `.` or `..` component or a control character, or is the root of the file system.
 */
export function absolutePath(text: string): AbsolutePath | undefined {
  if (!text.startsWith("/") || !isClean(text)) return undefined;
  const parts = text.split("/").filter((part) => part !== "");
  if (parts.length === 0 || parts.some((part) => part === "." || part === "..")) return undefined;
  return `/${parts.join("/")}` as AbsolutePath;
}

/** Whether `inner` is `outer` or lies below it. Both are normalised, so text is enough. */
export function isWithin(outer: AbsolutePath, inner: AbsolutePath): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}

/** What `git check-ref-format` forbids anywhere in a ref's name, besides control characters. */
const REF_FORBIDDEN = /[ ~^:?*[\\]|\.\.|@\{|\/\/|\.$|\/$|^\//;

/**
 * Returns the branch, or undefined where `git check-ref-format --branch` would refuse it. Refused
 * too: a leading dash, which would be an option, C1 controls, and more than 244 UTF-16 units.
 */
export function branchName(text: string): BranchName | undefined {
  if (text === "" || text.length > 244 || text === "@" || text === "HEAD") return undefined;
  if (text.startsWith("-") || !isClean(text) || REF_FORBIDDEN.test(text)) return undefined;
  const bad = text.split("/").some((part) => part.startsWith(".") || part.endsWith(".lock"));
  return bad ? undefined : text as BranchName;
}

/** The longest ref that a delivery may name, in UTF-16 units; git's own limit is lower. */
const MAX_REF = 1024;

/** Whether a ref in a delivery could be one at all. It is only compared and shown, never used. */
export function isPlausibleRef(text: string): boolean {
  return text !== "" && text.length <= MAX_REF && !CONTROL.test(text);
}

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Returns the object name, or undefined where the text is not one. */
export function sha(text: string): Sha | undefined {
  return SHA.test(text) ? text as Sha : undefined;
}

/** Whether the object name is git's "nothing here": all zeros. */
export function isNullSha(name: Sha): boolean {
  return /^0+$/.test(name);
}

const URL_SCHEME = /^(?:https?|ssh|git|file):\/\/(?=.)([^/]*)/s;
/** `user@host:path`; with "::" it would be a remote helper's, with "://" a URL's. */
const SCP_LIKE = /^(?:[^@:/\s]+@)?([^@:/\s]+):(?!:|\/\/)(\S.*)$/s;

/** Why a text is not usable as a remote, in words that follow "found". */
export type RemoteProblem = "option" | "transport" | "password" | "characters";

/**
 * Checks where to fetch from: `https://`, `http://`, `ssh://`, `git://`, `file://`, `user@host:path`
 * or an absolute path.
 *
 * @returns the URL, or what is wrong with it. `transport` covers git's remote helpers (`ext::…`),
 * which would run any program; `password` a secret that would show in process lists.
 */
export function remoteUrl(text: string): RemoteUrl | { readonly problem: RemoteProblem } {
  if (text === "" || !isClean(text)) return { problem: "characters" };
  if (text.startsWith("-")) return { problem: "option" };
  if (text.startsWith("/")) return text as RemoteUrl;
  const authority = URL_SCHEME.exec(text)?.[1];
  if (authority !== undefined) {
    const at = authority.lastIndexOf("@");
    // ssh would take such a host for an option, and -oProxyCommand= runs any program.
    if (authority.startsWith("-") || authority[at + 1] === "-") return { problem: "option" };
    return authority.slice(0, at + 1).includes(":") ? { problem: "password" } : text as RemoteUrl;
  }
  const [, host, path] = SCP_LIKE.exec(text) ?? [];
  if (host === undefined || path === undefined || text.includes("::")) {
    return { problem: "transport" };
  }
  if (host.startsWith("-") || path.startsWith("-")) return { problem: "option" };
  // `user:password@host:path` would be a path at a host called user.
  if (/^[^/@]*@[^/]+:/.test(path)) return { problem: "password" };
  return text as RemoteUrl;
}

/**
 * Makes text from outside fit for a log line, a terminal or an environment variable: control
 * characters become spaces and at most `limit` UTF-16 units are kept, with an ellipsis where cut.
 */
export function printable(text: string, limit = 256): string {
  const clean = text.replace(new RegExp(CONTROL, "g"), " ");
  return clean.length <= limit ? clean : `${clean.slice(0, limit - 1).toWellFormed()}…`;
}
