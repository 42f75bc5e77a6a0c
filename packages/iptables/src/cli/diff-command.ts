import { plan } from '../core/plan.ts';
import { renderPlan } from '../core/render-plan.ts';
import type { Family } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';
import { type CommandIo, EXIT } from './command-io.ts';
import { guessFamily } from './guess-family.ts';
import { parseOptions } from './parse-options.ts';
import { type NamedSave, readSave } from './read-save.ts';

const OPTIONS = { ipv6: { type: 'boolean', default: false } } as const;

/** `diff A B`: what has to change for A to become B. */
export async function runDiff(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  const [before, after, surplus] = positionals;
  if (before === undefined || after === undefined || surplus !== undefined)
    throw invalid('diff wants two saves: diff A B');
  if (before === '-' && after === '-') throw invalid('only one save can be standard input');
  const a = { path: before, text: await io.readInput(before) };
  const b = { path: after, text: await io.readInput(after) };
  const family = chooseFamily(a, b, values.ipv6);
  const text = renderPlan(plan(readSave(a, family), readSave(b, family), { otherTables: 'empty' }));
  io.write(text);
  return text === '' ? EXIT.success : EXIT.different;
}

function chooseFamily(a: NamedSave, b: NamedSave, ipv6: boolean): Family {
  if (ipv6) return 'ipv6';
  const [first, second] = [guessFamily(a.text), guessFamily(b.text)];
  if (first !== undefined && second !== undefined && first !== second)
    throw invalid(`${a.path} is ${first} and ${b.path} is ${second}: want two of one family`);
  return first ?? second ?? 'ipv4';
}

function invalid(what: string): IptablesError {
  return new IptablesError('IPTABLES_COMMAND_INVALID', what);
}
