import { parseSave } from '../core/parse-save.ts';
import type { Family, RuleSet } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';

/** A save with the name it is complained about by. */
export interface NamedSave {
  readonly path: string;
  readonly text: string;
}

/** Parses a save; what is wrong with it is told with its name. Throws as `parseSave` does. */
export function readSave({ path, text }: NamedSave, family: Family): RuleSet {
  const name = path === '-' ? 'standard input' : path;
  try {
    return parseSave(text, family);
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    const { line, column } = error;
    const place = { ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) };
    throw new IptablesError(error.code, `${name}: ${error.message}`, { cause: error, ...place });
  }
}
