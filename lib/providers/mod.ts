/**
 * The providers by name. A new one is a file beside this one and a line here.
 *
 * @module
 */

import { coding } from "./coding.ts";
import type { Provider } from "./provider.ts";

/** Every provider that a repository may name. */
export const providers = { coding } as const satisfies Record<string, Provider>;

/** A provider's name, as the configuration writes it. */
export type ProviderName = keyof typeof providers;
