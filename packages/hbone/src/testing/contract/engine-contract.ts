import { closeCases } from './close-cases.ts';
import type { ContractCase } from './contract-case.ts';
import { engineCases } from './engine-cases.ts';
import { plainCases } from './plain-cases.ts';
import { secureCases } from './secure-cases.ts';

/**
 * The rules that every engine keeps, for any test runner: `test.each(engineContract)('$name', ({ run }) => run(harness))`.
 * Random cases have their seed in their name.
 */
export const engineContract: readonly ContractCase[] = [...engineCases, ...plainCases, ...secureCases, ...closeCases];
