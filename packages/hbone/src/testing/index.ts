export { createThrowAwayAuthority, type ThrowAwayAuthority } from './throw-away-credentials.ts';
