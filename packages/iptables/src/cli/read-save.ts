import { parseSave } from '../core/parse-save.ts';
import type { Family, RuleSet } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';

/** A save with the name it is complained about by. */
export interface NamedSave {
  readonly path: string;
  readonly text: string;
}

/**
 * Parses a save; what is wrong with it is told with its name. Throws `IPTABLES_COMMAND_INVALID` for addresses of the
 * other family too: the saves of both, one behind the other, would pass for one.
 */
export function readSave({ path, text }: NamedSave, family: Family): RuleSet {
  const name = path === '-' ? 'standard input' : path;
  const ruleSet = parse(name, text, family);
  const foreign = findForeignAddress(ruleSet);
  if (foreign === undefined) return ruleSet;
  const want = family === 'ipv4' ? 'iptables-save' : 'ip6tables-save';
  throw new IptablesError(
    'IPTABLES_COMMAND_INVALID',
    `${name}: ${foreign} is no ${family} address: want the output of ${want} alone`,
  );
}

function parse(name: string, text: string, family: Family): RuleSet {
  try {
    return parseSave(text, family);
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    const options = { cause: error, ...(error.line === undefined ? {} : { line: error.line }) };
    throw new IptablesError(error.code, `${name}: ${error.message}`, options);
  }
}

function findForeignAddress({ family, tables }: RuleSet): string | undefined {
  for (const { rules } of tables)
    for (const { matches } of rules)
      for (const match of matches)
        if (
          (match.match === 'source' || match.match === 'destination') &&
          match.address.includes(':') !== (family === 'ipv6')
        )
          return match.address;
  return undefined;
}
