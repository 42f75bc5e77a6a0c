import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const BIN = join(import.meta.dirname, '../../bin/ambient-iptables.js');

test.each([
  { folder: 'clone', files: ['src/main.ts', 'dist/main.js'], runs: 'src/main.ts' },
  { folder: 'clone', files: ['src/main.ts'], runs: 'src/main.ts' },
  { folder: 'unpacked', files: ['dist/main.js'], runs: 'dist/main.js' },
  { folder: 'node_modules/iptables', files: ['src/main.ts', 'dist/main.js'], runs: 'dist/main.js' },
])('in $folder with $files the command is $runs', ({ folder, files, runs }) => {
  const root = mkdtempSync(join(tmpdir(), 'ambient-iptables-'));
  try {
    const place = join(root, folder);
    for (const name of ['bin', 'src', 'dist']) mkdirSync(join(place, name), { recursive: true });
    writeFileSync(join(place, 'package.json'), '{ "type": "module" }');
    for (const file of files) writeFileSync(join(place, file), `export const main = () => console.log('${file}');\n`);
    const bin = join(place, 'bin/ambient-iptables.js');
    copyFileSync(BIN, bin);
    expect(execFileSync(process.execPath, [bin], { encoding: 'utf8', stdio: 'pipe' })).toBe(`${runs}\n`);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('an older Node is told, by the version that package.json wants', () => {
  const asIfOlder = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'20.20.2'}})`;
  const { status, stderr } = spawnSync(process.execPath, ['--import', asIfOlder, BIN, '--version'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'ambient-iptables needs Node 22.19 or newer, this is 20.20.2\n',
  });
  const { engines }: { engines: { node: string } } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
  );
  expect(engines.node).toBe('>=22.19');
});
