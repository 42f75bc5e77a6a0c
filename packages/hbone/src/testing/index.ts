export { clientHelloExtensions } from './client-hello.ts';
export type { ContractCase, EngineHarness } from './contract/contract-case.ts';
export { engineContract } from './contract/engine-contract.ts';
export { SeededRandom } from './contract/random-bytes.ts';
export { createTestEngine, testOn } from './test-engine.ts';
export { createThrowAwayAuthority, type ThrowAwayAuthority } from './throw-away-credentials.ts';
