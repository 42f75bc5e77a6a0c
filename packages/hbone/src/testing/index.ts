export type { ContractCase, EngineHarness } from './contract/contract-case.ts';
export { engineContract } from './contract/engine-contract.ts';
export { createTestEngine, testOn } from './test-engine.ts';
export { createThrowAwayAuthority, type ThrowAwayAuthority } from './throw-away-credentials.ts';
