import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Feature, probe } from './index.ts';

/** Stable: a name may be added, none may go. */
const FEATURES: readonly Feature[] = [
  'setns',
  'createNamespace',
  'mark',
  'transparentV4',
  'transparentV6',
  'freeBindV4',
  'freeBindV6',
  'reusePort',
  'bindToDevice',
  'originalDestinationV4',
  'originalDestinationV6',
  'ipv6',
  'dualStack',
  'udp',
  'seqpacket',
  'packetCapture',
  'rtnetlinkWrite',
];
/** Need nothing but a kernel of the last ten years. */
const UNPRIVILEGED: readonly Feature[] = ['freeBindV4', 'reusePort', 'bindToDevice', 'udp', 'seqpacket'];

/** Everything that is open, and what each is; sockets and pipes by inode. */
const open = (): string[] =>
  readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
      } catch {
        // The descriptor that reads the folder.
        return [];
      }
    })
    .toSorted();

test('every feature is supported, or has a reason', () => {
  const result = probe();
  expect(Object.keys(result)).toEqual(FEATURES);
  for (const support of Object.values(result)) if (!support.supported) expect(support.reason).toMatch(/\w/);
});

test('what needs no privilege is there', () => {
  const result = probe();
  for (const feature of UNPRIVILEGED) expect([feature, result[feature]]).toEqual([feature, { supported: true }]);
});

test('probing leaves nothing open, and the thread where it was', () => {
  const before = [open(), readlinkSync('/proc/thread-self/ns/net')];
  for (let round = 0; round < 10; round += 1) probe();
  expect([open(), readlinkSync('/proc/thread-self/ns/net')]).toEqual(before);
});

test('with few descriptors left each refusal says so', () => {
  for (const free of [0, 1, 2, 3]) {
    const script = `
      const { probe, duplicate, closeDescriptor } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
      const held = [];
      try { for (;;) held.push(duplicate(0)); } catch {}
      for (let count = 0; count < ${free}; count += 1) closeDescriptor(held.pop());
      const { seqpacket } = probe();
      for (const fd of held) closeDescriptor(fd);
      console.log(JSON.stringify({ seqpacket }));`;
    const command = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script];
    const output = JSON.parse(execFileSync('sh', command, { encoding: 'utf8' }));
    // A pair, and the one that travels.
    const refused = { supported: false, reason: expect.stringMatching(/EMFILE \(raise the limit of open files\)/) };
    expect([free, output.seqpacket]).toEqual([free, free < 3 ? refused : { supported: true }]);
  }
});

test.each([
  { platform: 'darwin', arch: 'arm64', reason: /^network namespaces need Linux, this is darwin/ },
  { platform: 'win32', arch: 'x64', reason: /^network namespaces need Linux, this is win32/ },
  {
    platform: 'linux',
    arch: 'riscv64',
    reason: /^system call layouts are known for x64 and arm64, this is riscv64 \(use x64 or arm64\)$/,
  },
])('on $platform $arch nothing is supported, for one reason', ({ platform, arch, reason }) => {
  const script = `
    Object.defineProperty(process, 'platform', { value: '${platform}' });
    Object.defineProperty(process, 'arch', { value: '${arch}' });
    const { probe } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    console.log(JSON.stringify(probe()));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const result: Record<string, unknown> = JSON.parse(output);
  expect(Object.keys(result)).toEqual(FEATURES);
  for (const support of Object.values(result))
    expect(support).toEqual({ supported: false, reason: expect.stringMatching(reason) });
});

test('without koffi nothing is supported, and the reason says why and what to do', () => {
  const script = `
    const Module = process.getBuiltinModule('node:module');
    const load = Module._load;
    Module._load = (name, ...rest) => { if (name === 'koffi') throw new Error("Cannot find module 'koffi'\\nRequire stack:"); return load(name, ...rest); };
    const { probe } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
    console.log(JSON.stringify(probe()));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const reason =
    "koffi cannot be loaded: Cannot find module 'koffi' (run npm install koffi in the folder of the program; of a bundle, beside main.mjs)";
  expect(Object.values(JSON.parse(output))).toEqual(FEATURES.map(() => ({ supported: false, reason })));
});
