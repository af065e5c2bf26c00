/**
 * CNB (cnb.cool) has no webhooks of its own; a step of the pipeline posts one with the image
 * `cnbcool/webhook`: a flat object of strings, signed `sha256=<hex>` by HMAC-SHA256 over the raw
 * body, in a header whose name people choose (docs.cnb.cool, trigger rules; Zxilly/jenkins-cnb).
 *
 * @module
 */

import type { Delivery, DeliveryEvent, RefChange } from "../delivery.ts";
import type { SignatureHeader } from "../signature.ts";
import { bodyOf, isTag, postedJson, SENDER, shortRef } from "./compose.ts";
import { anyText, deliveryOf, idAt, otherEvent, parsePayload, refChange, text } from "./payload.ts";
import { signatureOf, signedBy } from "./proof.ts";
import {
  type Draft,
  type Payload,
  type Posted,
  type ProofOptions,
  type Provider,
  UnreadableDelivery,
} from "./provider.ts";

const DEFAULT_HEADER = "X-CNB-Signature";

const PATHS = { ref: "CNB_BRANCH", before: "CNB_BEFORE_SHA", after: "CNB_COMMIT" } as const;

/** The events that move a ref. A branch's first push comes as `branch.create` too. */
const PUSHES: readonly string[] = [
  "push",
  "commit.add",
  "branch.create",
  "branch.delete",
  "tag_push",
];

function signatureFormat({ signatureHeader = DEFAULT_HEADER }: ProofOptions = {}): SignatureHeader {
  return { header: signatureHeader, hash: "SHA-256", prefix: "sha256=", encoding: "hex" };
}

/** The change of a push; a tag's name stands where a branch's does. */
function readChange(name: string, payload: Payload): RefChange {
  const isTag = name === "tag_push" || text(payload, "CNB_IS_TAG") === "true";
  const change = refChange(payload, PATHS, isTag ? "refs/tags/" : "refs/heads/");
  return { ...change, deleted: change.deleted || name === "branch.delete" };
}

function readEvent(payload: Payload): DeliveryEvent {
  const name = text(payload, "CNB_EVENT");
  if (name === undefined) throw new UnreadableDelivery('"CNB_EVENT" is missing');
  if (!PUSHES.includes(name)) return otherEvent(name);
  return { kind: "push", changes: [readChange(name, payload)] };
}

function read(posted: Posted, parsed?: Payload): Delivery {
  const payload = parsed ?? parsePayload(posted);
  return deliveryOf(readEvent(payload), {
    id: idAt(payload, "CNB_PIPELINE_ID"),
    pusher: anyText(payload, "CNB_BUILD_USER"),
  });
}

function composeBody(draft: Draft): Payload {
  return {
    CNB_WEB_ENDPOINT: "https://cnb.cool",
    CNB_EVENT: isTag(draft) ? "tag_push" : "push",
    CNB_BRANCH: shortRef(draft),
    CNB_BRANCH_SHA: draft.after,
    CNB_BEFORE_SHA: draft.before,
    CNB_COMMIT: draft.after,
    CNB_IS_TAG: String(isTag(draft)),
    CNB_REPO_SLUG: draft.repository,
    CNB_BUILD_START_TIME: new Date(draft.now).toISOString(),
    CNB_BUILD_USER: SENDER,
    CNB_PIPELINE_ID: draft.id,
    CNB_IS_RETRY: "false",
  };
}

async function compose(draft: Draft, secret: string, options?: ProofOptions): Promise<Posted> {
  const body = bodyOf(draft, composeBody);
  const format = signatureFormat(options);
  return postedJson(draft, body, { [format.header]: await signatureOf(format, secret, body) });
}

/** The pipeline's step. The secret is imported, for this file is in the repository. */
const PIPELINE = `{branch}:
  push:
    - imports: https://cnb.cool/YOUR-GROUP/YOUR-SECRETS/-/blob/main/hook.yml
      stages:
        - name: deploy
          image: cnbcool/webhook:v1.0.2
          settings:
            urls:
              - {url}
            method: POST
            content_type: application/json
            signature_header: ${DEFAULT_HEADER}
            signature_secret: \${HOOK_SECRET}
            valid_response_codes:
              - 200
              - 202
`;

/** CNB's provider. */
export const cnb: Provider = {
  name: "cnb",
  title: "CNB (云原生构建)",
  marks: (headers) => headers.has(DEFAULT_HEADER),
  options: ["signatureHeader"],
  signsBody: () => true,
  pings: false,
  setup: {
    menu: "新建 → 密钥仓库 (a repository for secrets), in it the file hook.yml",
    fields: [["HOOK_SECRET", "{secret}"]],
    note: "The step runs when the branch is pushed; its output shows our answer.",
    file: { name: ".cnb.yml", text: PIPELINE },
  },
  authenticator: (secret, options) => signedBy(signatureFormat(options), secret, "CNB"),
  read,
  compose,
};
