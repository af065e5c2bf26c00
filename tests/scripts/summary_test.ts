import { assertEquals } from "@std/assert";
import { countReport, countSuite, line } from "../../scripts/summary.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="6" failures="1" errors="1" time="0.625">
    <testsuite name="./tests/a_test.ts" tests="6" disabled="1" errors="1" failures="1">
        <testcase name="ignored" classname="./tests/a_test.ts" time="0.000">
            <skipped/>
        </testcase>
    </testsuite>
</testsuites>`;

const GREEN = REPORT.replace('failures="1" errors="1"', 'failures="0" errors="0"');

Deno.test("countReport() tells passed, failed and skipped cases apart", () => {
  assertEquals(countReport(REPORT), { passed: 3, failed: 2, skipped: 1 });
});

Deno.test("countSuite() takes a green report and exit 0 as they are", () => {
  const count = countSuite({ name: "unit", code: 0, report: GREEN });
  assertEquals(count, { passed: 5, failed: 0, skipped: 1 });
});

Deno.test("countSuite() counts a failure where the suite failed without a failed case", () => {
  assertEquals(countSuite({ name: "unit", code: 1, report: GREEN }).failed, 1);
});

Deno.test("countSuite() counts a failure where there is no report", () => {
  const count = countSuite({ name: "unit", code: 0, report: undefined });
  assertEquals(count, { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("countSuite() counts a suite of one test by its exit code", () => {
  assertEquals(countSuite({ name: "demo", code: 0, report: null }).passed, 1);
  assertEquals(countSuite({ name: "demo", code: 3, report: null }).failed, 1);
});

Deno.test("line() leaves out what was not skipped", () => {
  assertEquals(line({ passed: 2, failed: 0, skipped: 0 }), "2 passed, 0 failed");
  assertEquals(line({ passed: 2, failed: 1, skipped: 3 }), "2 passed, 1 failed, 3 skipped");
});
