// `npm test`: everything. Unit tests anywhere; tests that need root when root is there; the end-to-end suite in the lab.
// Plain JavaScript for Node 18 and newer; the tests themselves run on the project's own Node. Ends with one line of counts.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment, node, setUp } from './setup.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const filters = process.argv.slice(2);
const isRoot = process.getuid?.() === 0;
const suites = [
  { name: 'unit', config: 'vitest.config.ts', needsRoot: false },
  { name: 'kernel', config: 'vitest.root.config.ts', needsRoot: true },
  { name: 'end to end', config: 'e2e/vitest.config.ts', needsRoot: true },
];

await setUp();
const scratch = mkdtempSync(join(tmpdir(), 'ambientmesh-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
const rootTests = { ran: 0, skipped: 0 };
try {
  for (const suite of suites) {
    if (suite.needsRoot && !isRoot) {
      const skipped = await count(suite);
      rootTests.skipped += skipped;
      total.skipped += skipped;
      continue;
    }
    process.stdout.write(`\n── ${suite.name} ──\n`);
    const outcome = await test(suite);
    total.passed += outcome.passed;
    total.failed += outcome.failed;
    total.skipped += outcome.skipped;
    if (suite.needsRoot) rootTests.ran += outcome.passed + outcome.failed;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (filters.length > 0 && total.passed + total.failed + total.skipped === 0) {
  process.stderr.write(
    `TEST_FILTER_UNMATCHED: ${filters.join(' ')}: no test file has this in its path (a filter is, say, packages/hbone)\n`,
  );
  process.exit(1);
}
process.stdout.write(`\n${rootTests.ran + rootTests.skipped} tests need root: `);
process.stdout.write(isRoot ? 'they ran\n' : 'they did not run (start `npm test` as root)\n');
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
process.exit(total.failed === 0 ? 0 : 1);

async function test(suite) {
  const report = join(scratch, `${suite.name.replaceAll(' ', '-')}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const code = await start(['run', '--config', suite.config, ...reporters, ...filters], 'inherit');
  let counts;
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const failed =
    counts.numFailedTests +
    counts.testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0).length;
  // An unhandled error fails the run though every test passed.
  const unhandled = code !== 0 && failed === 0 ? 1 : 0;
  return {
    passed: counts.numPassedTests,
    failed: failed + unhandled,
    skipped: counts.numPendingTests + counts.numTodoTests,
  };
}

async function count(suite) {
  const report = join(scratch, 'list.json');
  await start(['list', '--config', suite.config, `--json=${report}`, ...filters], 'ignore');
  try {
    return JSON.parse(readFileSync(report, 'utf8')).length;
  } catch {
    return 0;
  }
}

function start(args, stdio) {
  return new Promise((resolve) => {
    const child = spawn(node, [vitest, ...args], { cwd: root, env: environment, stdio: ['ignore', stdio, stdio] });
    child.on('close', (code) => resolve(code ?? 1));
  });
}
