import { IptablesError } from './errors.ts';

/** The error for a program that is not there. */
export function missing(program: string, install: string): IptablesError {
  return new IptablesError(
    'IPTABLES_TOOL_MISSING',
    `${program} not found: install ${install} (for example: apt-get install ${install})`,
  );
}
