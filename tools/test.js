// `npm test`: everything. Unit tests anywhere; tests that need root when root is there; the end-to-end suite in the lab.
// Plain JavaScript for Node 18 and newer; the tests themselves run on the project's own Node. Ends with one line of counts.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment, exitCodeOfSignal, node, SIGNALS, setUp } from './setup.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const countsReporter = join(root, 'tools', 'counts-reporter.js');
const filters = process.argv.slice(2);
const isRoot = process.getuid?.() === 0;
const suites = [
  { name: 'unit', config: 'vitest.config.ts', needsRoot: false },
  { name: 'kernel', config: 'vitest.root.config.ts', needsRoot: true },
  { name: 'end to end', config: 'e2e/vitest.config.ts', needsRoot: true },
  {
    name: 'end to end, on the node engine',
    config: 'e2e/vitest.config.ts',
    needsRoot: true,
    // All whose outcome could depend on the engine: the others try rules, the lab, commands, or the reactor's own limits.
    only: [
      'authorization',
      'endings',
      'enrolment',
      'faulty-thread',
      'hanging-ztunnel',
      'identity',
      'interop',
      'many-connections',
      'resilience',
      'threads',
      'traffic',
    ].map((name) => `e2e/src/${name}`),
    variables: { ZTUNNEL_ENGINE: 'node' },
  },
];

/** What runs now; signals that only this process got are passed on to it. */
let current;
let interruptedBy;

await setUp();
for (const signal of SIGNALS)
  process.on(signal, () => {
    interruptedBy = signal;
    current?.kill(signal);
  });
const total = { passed: 0, failed: 0, skipped: 0 };
let needRoot = 0;
for (const suite of suites) {
  if (filtersOf(suite) === undefined) continue;
  if (suite.needsRoot && !isRoot) {
    const skipped = await count(suite);
    needRoot += skipped;
    total.skipped += skipped;
    continue;
  }
  process.stdout.write(`\n── ${suite.name} ──\n`);
  const outcome = await test(suite);
  total.passed += outcome.passed;
  total.failed += outcome.failed;
  total.skipped += outcome.skipped;
  if (suite.needsRoot) needRoot += outcome.passed + outcome.failed;
}
if (filters.length > 0 && total.passed + total.failed + total.skipped === 0) {
  process.stderr.write(
    `TEST_FILTER_UNMATCHED: ${filters.join(' ')}: no test file has this in its path (a filter is, say, packages/hbone)\n`,
  );
  process.exit(1);
}
process.stdout.write(`\n${describeNeedOfRoot()}\n`);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`);
process.exit(total.failed === 0 ? 0 : 1);

function describeNeedOfRoot() {
  if (needRoot === 0) return 'none of these tests needs root';
  return `${needRoot} tests need root: ${isRoot ? 'they ran' : 'they did not run (start `npm test` as root)'}`;
}

/** What of a suite is run; undefined: nothing. */
function filtersOf({ only }) {
  if (only === undefined) return filters;
  const asked = only.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  return asked.length > 0 ? asked : undefined;
}

async function test(suite) {
  const reporters = ['--reporter=default', `--reporter=${countsReporter}`];
  const { code, said } = await start(['run', '--config', suite.config, ...reporters, ...filtersOf(suite)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    heard: 3,
    variables: suite.variables,
  });
  if (said === '') return { passed: 0, failed: 1, skipped: 0 };
  const counts = JSON.parse(said);
  // An unhandled error fails the run though every test passed.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

async function count(suite) {
  // Last: `--json` would take a filter for a file to write.
  const { said } = await start(['list', '--config', suite.config, ...filtersOf(suite), '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    heard: 1,
  });
  try {
    return JSON.parse(said).length;
  } catch {
    return 0;
  }
}

/** Runs Vitest to its end; `heard` is the descriptor whose text is returned. Ends this process if it was interrupted. */
function start(args, { stdio, heard, variables }) {
  return new Promise((resolve) => {
    let said = '';
    current = spawn(node, [vitest, ...args], { cwd: root, env: { ...testEnvironment(), ...variables }, stdio });
    current.stdio[heard].on('data', (chunk) => {
      said += chunk;
    });
    current.on('close', (code) => {
      if (interruptedBy !== undefined) process.exit(exitCodeOfSignal(interruptedBy));
      resolve({ code: code ?? 1, said });
    });
  });
}

/** Colour is for terminals only, whatever npm, CI or a shell have set. */
function testEnvironment() {
  if (process.stdout.isTTY) return environment;
  const { FORCE_COLOR: _, ...others } = environment;
  return { ...others, NO_COLOR: '1' };
}
