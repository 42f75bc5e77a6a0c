/** Bundles one app entry into `bundle/NAME.js`: workspace sources inlined, native packages left as imports. */
import { basename } from 'node:path';
import { rolldown } from 'rolldown';

const input = process.argv[2];
if (input === undefined) throw new Error('usage: bundle.ts ENTRY');
const conditionNames = ['@ambientmesh/source', 'node', 'import', 'default'];
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
