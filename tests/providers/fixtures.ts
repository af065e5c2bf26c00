/**
 * Captured deliveries and published signatures, where they lie beside the project. Tests that need
 * them are left out elsewhere, and say so.
 */

const FOLDER = new URL("../../../shared/fixtures/", import.meta.url);

/** A published signature: what was signed, with which secret, and what came out. */
export interface Vector {
  readonly provider: string;
  /** Such as `hmac-sha1-hex`. */
  readonly algorithm: string;
  /** Text, or `base64:` and bytes. */
  readonly secret: string;
  readonly signed?: string;
  readonly signed_file?: string;
  readonly expected: string;
}

/** Whether the folder is there. */
export const HAS_FIXTURES = exists(new URL("vectors.json", FOLDER));
if (!HAS_FIXTURES) console.warn("../shared/fixtures is missing: tests of captures are ignored");

function exists(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch {
    return false;
  }
}

/** The bytes of one capture. */
export function capture(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(name, FOLDER));
}

/** Every published signature. */
export function vectors(): Vector[] {
  return JSON.parse(Deno.readTextFileSync(new URL("vectors.json", FOLDER)));
}
