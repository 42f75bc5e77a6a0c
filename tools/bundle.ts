/** Bundles each app entry into `bundle/NAME.js`: workspace sources inlined, native packages left as imports. */
import { basename } from 'node:path';
import { rolldown } from 'rolldown';

const inputs = process.argv.slice(2);
if (inputs.length === 0) throw new Error('usage: bundle.ts ENTRY...');
const conditionNames = ['@ambientmesh/source', 'node', 'import', 'default'];
for (const input of inputs) {
  const bundle = await rolldown({
    input,
    platform: 'node',
    external: ['koffi'],
    resolve: { conditionNames },
    transform: { target: 'node22' },
  });
  await bundle.write({
    file: `bundle/${basename(input, '.ts')}.js`,
    format: 'esm',
    sourcemap: true,
    codeSplitting: false,
  });
}
