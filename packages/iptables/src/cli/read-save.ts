import { parseSave } from '../core/parse-save.ts';
import type { Family, RuleSet } from '../core/rule.ts';
import { IptablesError } from '../errors.ts';

/** A save with the name it is complained about by. */
export interface NamedSave {
  readonly path: string;
  readonly text: string;
}

/** Parses a save; what is wrong with it is told with its name. */
export function readSave({ path, text }: NamedSave, family: Family): RuleSet {
  try {
    return parseSave(text, family);
  } catch (error) {
    if (!(error instanceof IptablesError)) throw error;
    const options = { cause: error, ...(error.line === undefined ? {} : { line: error.line }) };
    throw new IptablesError(error.code, `${path === '-' ? 'standard input' : path}: ${error.message}`, options);
  }
}
