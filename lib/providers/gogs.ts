/**
 * Gogs, see `gitea_family.ts`. It sends GitHub's headers as well, but none of its signatures.
 *
 * @module
 */

import { familyProvider, familySetup } from "./gitea_family.ts";
import type { Provider } from "./provider.ts";

/** Gogs's provider. */
export const gogs: Provider = familyProvider({
  name: "gogs",
  title: "Gogs",
  prefix: "X-Gogs",
  imitates: ["github"],
  setup: familySetup("Gogs"),
  others: ({ event, id }) => ({
    "User-Agent": "GogsServer",
    "X-GitHub-Delivery": id,
    "X-GitHub-Event": event,
  }),
});
