export type { ContractCase, EngineHarness } from './contract/contract-case.ts';
export { engineContract } from './contract/engine-contract.ts';
export { createThrowAwayAuthority, type ThrowAwayAuthority } from './throw-away-credentials.ts';
