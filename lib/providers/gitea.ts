/**
 * Gitea, see `gitea_family.ts`. It sends the headers of Gogs and GitHub as well.
 *
 * @module
 */

import { familyProvider, familySetup, giteaOthers } from "./gitea_family.ts";
import type { Provider } from "./provider.ts";

/** Gitea's provider. */
export const gitea: Provider = familyProvider({
  name: "gitea",
  title: "Gitea",
  prefix: "X-Gitea",
  imitates: ["gogs", "github"],
  setup: familySetup("Gitea"),
  others: giteaOthers,
});
