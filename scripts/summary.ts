/**
 * The last line of CI, counted from what the suites reported:
 * `deno run -A scripts/summary.ts NAME CODE REPORT …`, where REPORT is a JUnit file, or `-` for a suite
 * that is one test.
 *
 * @module
 */

export interface Suite {
  name: string;
  /** The exit code of the suite. */
  code: number;
  /** The text of its JUnit report; `undefined` where it wrote none, `null` where it never does. */
  report: string | null | undefined;
}

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Counts one suite. One that failed without naming a failed test (a type error, a leak, a crash) has
 * one failure, and so has one that ran no test: silence is not success.
 */
export function countSuite({ code, report }: Suite): Count {
  if (report === null) {
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  }
  const count = countReport(report ?? "");
  if (count.failed === 0 && (code !== 0 || count.passed === 0)) count.failed = 1;
  return count;
}

/** Counts the cases of a JUnit report as Deno writes it. */
export function countReport(xml: string): Count {
  const [head = ""] = xml.match(/<testsuites\b[^>]*>/) ?? [];
  const attribute = (name: string) =>
    Number(head.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = attribute("failures") + attribute("errors");
  const skipped = xml.match(/<skipped\b/g)?.length ?? 0;
  return { passed: attribute("tests") - failed - skipped, failed, skipped };
}

/** `12 passed, 0 failed`, and the skipped ones where there are any. */
export function line({ passed, failed, skipped }: Count): string {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
}

async function main(args: string[]): Promise<number> {
  const total: Count = { passed: 0, failed: 0, skipped: 0 };
  for (let at = 0; at < args.length; at += 3) {
    const [name = "", code, path = ""] = args.slice(at, at + 3);
    const report = path === "-" ? null : await Deno.readTextFile(path).catch(() => undefined);
    const count = countSuite({ name, code: Number(code), report });
    console.log(`${name}: ${line(count)}`);
    total.passed += count.passed;
    total.failed += count.failed;
    total.skipped += count.skipped;
  }
  console.log(line(total));
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
