import { expect, test } from 'vitest';
import { openThrowAway } from '../testing/throw-away-namespace.ts';
import { runCommand } from './run-command.ts';

async function print(...args: readonly string[]): Promise<string> {
  let output = '';
  const write = (text: string) => void (output += text);
  await runCommand(args, { readInput: () => Promise.resolve(''), write, writeError: write, version: '' });
  return output;
}

test.each([
  { format: 'restore', load: 'iptables-restore --noflush' },
  { format: 'nft', load: 'nft -f -' },
])('with the sets that help tells how to make, the rules of a host load: $format', async ({ format, load }) => {
  await using place = await openThrowAway();
  const rules = await print('rules', '--host', '--format', format);
  expect(() => place.inside(load, rules)).toThrow(/istio-inpod-probes-v4|No such file/);
  const help = await print('rules', '--help');
  const [commands = ''] = /^ {2}ipset create [^]*?\n\n/m.exec(help) ?? [];
  place.inside(commands);
  place.inside(load, rules);
});
