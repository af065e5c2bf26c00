/**
 * The providers by name. A new one is a file beside this one and a line here.
 *
 * @module
 */

import { azure } from "./azure.ts";
import { bitbucket } from "./bitbucket.ts";
import { bitbucketServer } from "./bitbucket_server.ts";
import { cnb } from "./cnb.ts";
import { codeup } from "./codeup.ts";
import { coding } from "./coding.ts";
import { forgejo } from "./forgejo.ts";
import { gitea } from "./gitea.ts";
import { gitee } from "./gitee.ts";
import { github } from "./github.ts";
import { gitlab } from "./gitlab.ts";
import { gogs } from "./gogs.ts";
import { gongfeng } from "./gongfeng.ts";
import type { Provider } from "./provider.ts";
import { standard } from "./standard.ts";

/** Every provider that a repository may name. */
export const providers = {
  coding,
  github,
  gitlab,
  gitee,
  gitea,
  forgejo,
  gogs,
  bitbucket,
  "bitbucket-server": bitbucketServer,
  cnb,
  gongfeng,
  codeup,
  azure,
  standard,
} as const satisfies Record<string, Provider>;

/** A provider's name, as the configuration writes it. */
export type ProviderName = keyof typeof providers;

const all: readonly Provider[] = Object.values(providers);

/** The providers whose headers another forge sends too. */
const imitated: ReadonlySet<string> = new Set(all.flatMap(({ imitates = [] }) => imitates));

/**
 * The provider whose deliveries look like this: the one that marks the headers and that none of the
 * others imitates, since a forge that follows another sends that one's headers too.
 */
export function lookalike(headers: Headers): Provider | undefined {
  const marked = all.filter(({ marks }) => marks(headers));
  return marked.find(({ name }) => !marked.some(({ imitates }) => imitates?.includes(name)));
}

/**
 * The other forge whose delivery this is, though the two may sign alike: a repository takes only what
 * it names. A relay that signs another forge's delivery anew, and passes its headers on, is not one.
 */
export function foreigner(provider: Provider, headers: Headers): Provider | undefined {
  // The usual case, which every delivery pays for.
  if (!imitated.has(provider.name) && provider.marks(headers)) return undefined;
  const likely = lookalike(headers);
  if (likely === undefined || likely === provider) return undefined;
  const isRelayed = provider.marks(headers) && !likely.imitates?.includes(provider.name);
  return isRelayed ? undefined : likely;
}
