import { type ParseArgsConfig, parseArgs } from 'node:util';
import { PolicyError } from '../errors.ts';

/** `parseArgs` of Node, strict, with its complaints as POLICY_COMMAND_INVALID; options that may come once only do. */
export function parseOptions<T extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: T) {
  try {
    const parsed = parseArgs({ args: [...args], options, strict: true, allowPositionals: true, tokens: true });
    const seen = new Set<string>();
    for (const token of parsed.tokens) {
      if (token.kind !== 'option' || options[token.name]?.multiple) continue;
      if (seen.has(token.name)) throw invalidCommand(`${token.rawName} is there twice`);
      seen.add(token.name);
    }
    return { values: parsed.values, positionals: parsed.positionals };
  } catch (error) {
    if (error instanceof TypeError) throw invalidCommand(shorten(error.message), error);
    throw error;
  }
}

/** The one of `allowed` that `value` is. Throws POLICY_COMMAND_INVALID. */
export function choose<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((name) => name === value);
  if (found === undefined) throw invalidCommand(`${option} ${JSON.stringify(value)}: want ${allowed.join(' or ')}`);
  return found;
}

/** What a command throws if its arguments or input make no sense. */
export function invalidCommand(what: string, cause?: unknown): PolicyError {
  return new PolicyError('POLICY_COMMAND_INVALID', what, { cause });
}

/** Node goes on with advice about positional arguments, of which there are none that begin with a dash. */
function shorten(message: string): string {
  return message.replace(/\. To specify a positional argument[^]*$/, '').replaceAll('\n', ' ');
}
