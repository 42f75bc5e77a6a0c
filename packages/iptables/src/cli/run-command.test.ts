import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SLOW } from '../testing/slow-test.ts';
import { readInput } from './read-input.ts';
import { runCommand } from './run-command.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures');
const MAIN = new URL('../main.ts', import.meta.url).href;
const fixture = (name: string) => readFileSync(join(FOLDER, name), 'utf8');

async function run(args: readonly string[], files: { readonly [path: string]: string } = {}) {
  const result = { code: -1, output: '', error: '' };
  result.code = await runCommand(args, {
    readInput: (path) => {
      const text = files[path];
      return text === undefined ? Promise.reject(new Error(`no ${path}`)) : Promise.resolve(text);
    },
    write: (text) => void (result.output += text),
    writeError: (text) => void (result.error += text),
    version: '1.2.3',
  });
  return result;
}

const PROBES = ['--probe-source', 'e9ac:1e77:90ca:399f:4d6d:ece2:2f9b:3164'];
const GOLDEN = [
  { name: 'default', options: ['--dns'] },
  { name: 'default_ipv6', options: ['--dns', '--ipv6'] },
  { name: 'dns_pod_disabled_and_on_globally', options: [] },
  { name: 'ingress', options: ['--ingress'] },
  { name: 'hostprobe', options: ['--host', '--kubelet-uid', '1000'] },
];

test.each(GOLDEN)('rules for iptables-restore, byte for byte: $name', async ({ name, options }) => {
  const recorded = fixture(`reference/iptables/${name}.golden`).split('\n');
  expect(recorded.slice(0, 2)).toEqual(['iptables-save', 'ip6tables-save']);
  const result = await run(['rules', '--capture', 'redirect', ...PROBES, ...options]);
  expect(result).toMatchObject({ code: 0, output: `${recorded.slice(2).join('\n')}\n` });
});

test.each(GOLDEN)('rules for nft, byte for byte: $name', async ({ name, options }) => {
  const result = await run(['rules', '--capture=redirect', '--format=nft', ...PROBES, ...options]);
  expect(result).toMatchObject({ code: 0, output: fixture(`reference/nftables/${name}.golden`) });
});

test.each([{ host: [] }, { host: ['--host'] }])(
  'an IPv6 probe source without --ipv6 is noted: $host',
  async ({ host }) => {
    const plain = await run(['rules', ...host]);
    expect(plain).toMatchObject({ code: 0, error: '' });
    const note = 'ambient-iptables: --probe-source fd00::1 has no effect: add --ipv6\n';
    expect(await run(['rules', ...host, '--probe-source', 'fd00::1'])).toEqual({ ...plain, error: note });
    const both = await run(['rules', ...host, '--probe-source', 'fd00::1', '--ipv6']);
    expect(both).toMatchObject({ code: 0, error: '' });
    expect(both.output).toContain('fd00::1');
  },
);

test('--dns and --capture have no effect on the rules of a host, and help says so', async () => {
  expect(await run(['rules', '--host', '--dns', '--capture', 'redirect'])).toEqual(await run(['rules', '--host']));
  expect((await run(['rules', '--help'])).output).toMatch(/--capture and\s+--dns have no effect/);
});

test.each([
  { args: [], file: 'tproxy.v4.restore' },
  { args: ['--format', 'restore', '--capture', 'tproxy', '--dns'], file: 'tproxy-dns.v4.restore' },
])('rules $args is $file', async ({ args, file }) => {
  expect(await run(['rules', ...args])).toEqual({ code: 0, output: fixture(file), error: '' });
});

test('rules --format save is what iptables-save shows, with counters of nothing', async () => {
  const { output } = await run(['rules', '--format', 'save', '--capture', 'redirect', '--dns', '--ipv6']);
  expect(output.replaceAll(' [0:0]', '')).toBe(fixture('redirect-dns.v4.save') + fixture('redirect-dns.v6.save'));
});

test('rules with virtual interfaces keep their order', async () => {
  const { output } = await run([
    'rules',
    '--capture',
    'redirect',
    '--virtual-interface',
    'tap1',
    '--virtual-interface',
    'tap0',
  ]);
  expect(output.match(/-i \S+/g)).toEqual(['-i tap1', '-i tap1', '-i tap0', '-i tap0']);
});

const A = fixture('tproxy.v4.save');
const B = fixture('tproxy-dns.v4.save');

test('diff of equal saves says nothing and gives 0; counters do not count', async () => {
  const counted = A.replace(':PREROUTING ACCEPT', ':PREROUTING ACCEPT [7:700]');
  expect(await run(['diff', 'a', 'b'], { a: A, b: counted })).toEqual({ code: 0, output: '', error: '' });
});

test('diff of different saves gives 1, in both directions', async () => {
  const forth = await run(['diff', 'a', '-'], { a: A, '-': B });
  expect(forth).toMatchObject({ code: 1, error: '' });
  expect(forth.output).toContain('+ -A ISTIO_OUTPUT ! -o lo -p udp');
  const back = await run(['diff', 'b', 'a'], { a: A, b: B });
  expect(back).toMatchObject({ code: 1, error: '' });
  expect(back.output).toContain('- -A ISTIO_OUTPUT ! -o lo -p udp');
});

test('diff and explain see by the addresses that a save is of IPv6', async () => {
  const files = { a: fixture('tproxy.v6.save'), b: fixture('tproxy-dns.v6.save'), c: A };
  expect(await run(['diff', 'a', 'b'], files)).toMatchObject({ code: 1, error: '' });
  expect(await run(['explain', 'a', '--packet', 'tcp src fd00::1 dst [fd00::2]:80 in eth0'], files)).toMatchObject({
    code: 0,
  });
  expect(await run(['diff', 'a', 'c'], files)).toMatchObject({ code: 2, output: '' });
});

test('explain prints the way and the end; 0 when that is certain, 3 when not', async () => {
  const sure = await run(['explain', 'a', '--packet', 'tcp src 10.0.0.9:4000 dst 10.0.0.5:80 in eth0'], { a: A });
  expect(sure).toMatchObject({ code: 0, error: '' });
  expect(sure.output).toContain('End: delivered to the transparent socket at port 15006');
  const open = await run(['explain', 'a', '--packet', 'tcp src 10.0.0.5:4000 dst 10.0.0.9:80 local'], { a: A });
  expect(open).toMatchObject({ code: 3, error: '' });
  expect(open.output).toContain('Not decided: 2 possible ends');
});

test('explain --json is the data, with the text of each rule', async () => {
  const { output } = await run(['explain', '-', '--json', '--packet', 'tcp src 10.0.0.9 dst 10.0.0.5:15008 in eth0'], {
    '-': A,
  });
  const data = JSON.parse(output);
  expect(data).toMatchObject({ decided: true, ends: [{ end: 'delivered' }] });
  expect(data.steps[1]).toMatchObject({ step: 'rule', text: '-j ISTIO_PRERT', result: 'matched' });
});

test('help and version', async () => {
  expect(await run(['--version'])).toEqual({ code: 0, output: '1.2.3\n', error: '' });
  for (const args of [['--help'], ['-h'], ['help']])
    expect((await run(args)).output).toMatch(
      /^usage: ambient-iptables COMMAND[^]*\nnpx @ambientmesh\/iptables COMMAND/,
    );
  for (const name of ['rules', 'diff', 'explain']) {
    const { code, output } = await run(['help', name]);
    expect({ code, first: output.split('\n')[0] }).toMatchObject({ code: 0 });
    expect(await run([name, '--help'])).toEqual({ code, output, error: '' });
    expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  }
});

test.each([
  { args: [], says: 'want a command' },
  { args: ['toString'], says: 'no command' },
  { args: ['help', 'me'], says: 'want help' },
  { args: ['rules', '--nosuch'], says: '--nosuch' },
  { args: ['rules', '-x'], says: '-x' },
  { args: ['rules', '--dns=yes'], says: '--dns' },
  { args: ['rules', '--dns', '--dns'], says: 'twice' },
  { args: ['rules', '--capture'], says: '--capture' },
  { args: ['rules', '--capture', 'ebpf'], says: 'tproxy or redirect' },
  { args: ['rules', '--format', 'json'], says: 'restore or nft or save' },
  { args: ['rules', 'more'], says: '"more"' },
  { args: ['rules', '--probe-source', 'here'], says: 'IPv4 or IPv6' },
  { args: ['rules', '--probe-source', '10.0.0.1', '--probe-source', '10.0.0.2'], says: 'already' },
  { args: ['rules', '--virtual-interface', 'a b'], says: 'a b' },
  { args: ['rules', '--kubelet-uid', '0'], says: '--host' },
  { args: ['rules', '--host', '--kubelet-uid', '-1'], says: '--kubelet-uid' },
  { args: ['rules', '--host', '--kubelet-uid=4294967295'], says: 'user id' },
  { args: ['rules', '--host', '--ingress'], says: 'of pods' },
  { args: ['diff', 'a'], says: 'two saves' },
  { args: ['diff', '-', '-'], says: 'only one' },
  { args: ['diff', 'a', 'nothing'], says: 'no nothing' },
  { args: ['diff', 'a', 'bad'], says: 'bad: line 2, column 1' },
  { args: ['diff', 'a', 'both'], says: 'is an address of ipv6: want the output of iptables-save alone' },
  { args: ['diff', 'a', 'a', '--ipv6'], says: 'ip6tables-save alone' },
  { args: ['explain', 'both', '--packet', 'tcp'], says: 'iptables-save alone' },
  { args: ['explain', 'a'], says: '--packet' },
  { args: ['explain', '--packet', 'tcp'], says: 'one save' },
  { args: ['explain', 'a', '--packet', 'tcp in'], says: 'column 7' },
  { args: ['explain', 'a', '--packet', 'tcp dst fd00::1'], says: 'ipv6' },
  { args: ['explain', 'loop', '--packet', 'tcp'], says: 'circle: A -> B -> A' },
])('an error is 2 and one line: $args', async ({ args, says }) => {
  const loop = '*filter\n:INPUT ACCEPT\n:A -\n:B -\n-A INPUT -j A\n-A A -j B\n-A B -j A\nCOMMIT\n';
  const { code, output, error } = await run(args, {
    a: A,
    both: `${A}*filter\n-A INPUT -s fd00::1/128 -j DROP\nCOMMIT\n`,
    bad: '*filter\nno rule\nCOMMIT\n',
    loop,
  });
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(error).toMatch(/^ambient-iptables: [^\n]+\n$/);
  expect(error).toContain(says);
});

/** The sources, for what is built may be old. */
const SCRIPT = `import(${JSON.stringify(MAIN)}).then(({ main }) => main())`;
const NODE_ARGS = ['--disable-warning=ExperimentalWarning', '-e', SCRIPT, 'ambient-iptables'];

test('as a process: output, standard input, exit codes', SLOW, () => {
  const options = { encoding: 'utf8', input: B } as const;
  expect(execFileSync(process.execPath, [...NODE_ARGS, 'rules'], options)).toBe(fixture('tproxy.v4.restore'));
  const different = spawnSync(process.execPath, [...NODE_ARGS, 'diff', join(FOLDER, 'tproxy.v4.save'), '-'], options);
  expect(different).toMatchObject({ status: 1, stderr: '' });
  const missing = spawnSync(process.execPath, [...NODE_ARGS, 'diff', 'no-such-file', '-'], options);
  expect(missing).toMatchObject({ status: 2, stdout: '' });
  expect(missing.stderr).toMatch(/^ambient-iptables: cannot read no-such-file: ENOENT[^\n]*\n$/);
  const { version } = JSON.parse(readFileSync(join(FOLDER, '../package.json'), 'utf8'));
  expect(execFileSync(process.execPath, [...NODE_ARGS, '--version'], options)).toBe(`${version}\n`);
});

test('a reader that goes away, as head does, is no failure', SLOW, async () => {
  const rules = Array.from({ length: 20_000 }, (_, index) => `-A INPUT -s 10.0.0.${index % 250} -j DROP\n`).join('');
  const save = `*filter\n:INPUT ACCEPT\n${rules}COMMIT\n`;
  const args = ['explain', '-', '--packet', 'tcp src 10.1.0.1:1 dst 10.1.0.2:2 in eth0 local'];
  const child = spawn(process.execPath, [...NODE_ARGS, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let error = '';
  child.stderr.on('data', (chunk) => (error += chunk));
  child.stdout.once('data', () => child.stdout.destroy());
  child.stdin.end(save);
  const [code] = await once(child, 'close');
  expect({ code, error }).toEqual({ code: 0, error: '' });
});

test('input that is too large, or a folder, is refused', async () => {
  const file = join(FOLDER, 'tproxy.v4.save');
  await expect(readInput(file, process.stdin, 10)).rejects.toThrow(/more than 10 bytes/);
  await expect(readInput(FOLDER, process.stdin)).rejects.toMatchObject({ code: 'IPTABLES_COMMAND_INVALID' });
  expect(await readInput(file, process.stdin)).toBe(A);
});
