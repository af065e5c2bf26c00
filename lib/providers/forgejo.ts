/**
 * Forgejo, see `gitea_family.ts`. It sends the headers of Gitea, Gogs and GitHub as well.
 *
 * @module
 */

import { familyHeaders, familyProvider, familySetup, giteaOthers } from "./gitea_family.ts";
import type { Provider } from "./provider.ts";

/** Forgejo's provider. */
export const forgejo: Provider = familyProvider({
  name: "forgejo",
  title: "Forgejo",
  prefix: "X-Forgejo",
  imitates: ["gitea", "gogs", "github"],
  setup: familySetup("Forgejo"),
  others: (draft, signatures) => ({
    ...giteaOthers(draft, signatures),
    ...familyHeaders("X-Gitea", draft, signatures.sha256),
    "X-Forgejo-Event-Type": draft.event,
  }),
});
