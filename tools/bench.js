// `npm run bench`: sets the workspace up if need be and runs the benchmark on the project's own Node.
// Plain JavaScript without dependencies, for Node 18 and newer.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment, node, setUp } from './setup.js';

const main = join(dirname(fileURLToPath(import.meta.url)), '..', 'bench', 'src', 'main.ts');

await setUp();
const child = spawn(node, ['--conditions=@ambientmesh/source', main, ...process.argv.slice(2)], {
  env: environment,
  stdio: 'inherit',
});
// A terminal sends Ctrl-C to both, and the child ends in order; a signal to this process alone is passed on.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(signal === null ? code : 1));
