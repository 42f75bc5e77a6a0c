/**
 * Bundles an app into `bundle/`: workspace sources inlined, native packages left as imports. `main.mjs` is what is
 * started: an older Node could not even link the program, so it is loaded once its version is known to do.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { rolldown } from 'rolldown';

const PROGRAM = 'program';
const [program, ...workers] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: bundle.ts PROGRAM [WORKER...]');
const [, major, minor] = /"node": ">=(\d+)\.(\d+)"/.exec(readFileSync('package.json', 'utf8')) ?? [];
if (minor === undefined) throw new Error('package.json: want engines.node as >=MAJOR.MINOR');

rmSync('bundle', { recursive: true, force: true });
mkdirSync('bundle');
await bundle(program, PROGRAM);
for (const worker of workers) await bundle(worker, basename(worker, '.ts'));
writeFileSync(
  'bundle/main.mjs',
  `const [major, minor] = process.versions.node.split('.').map(Number);
if (major < ${major} || (major === ${major} && minor < ${minor})) {
  process.stderr.write(\`Error: Node \${process.versions.node} is too old: ${major}.${minor} or newer is needed\\n\`);
  process.exit(1);
}
await import('./${PROGRAM}.mjs');
`,
);

async function bundle(input: string, name: string): Promise<void> {
  const build = await rolldown({
    input,
    platform: 'node',
    external: ['koffi'],
    resolve: { conditionNames: ['@ambientmesh/source', 'node', 'import', 'default'] },
    transform: { target: 'node22' },
  });
  await build.write({ file: `bundle/${name}.mjs`, format: 'esm', sourcemap: true, codeSplitting: false });
}
