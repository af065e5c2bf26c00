/**
 * The configuration's JSON Schema, for editors and validators.
 *
 * @module
 */

import { toJsonSchema } from "@valibot/to-json-schema";
import { configSchema } from "./schema.ts";

/** The schema of what people write: JSON Schema, draft 7. */
export function jsonSchema(): Record<string, unknown> {
  return {
    ...toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" }),
    title: "The configuration of hook",
  };
}
