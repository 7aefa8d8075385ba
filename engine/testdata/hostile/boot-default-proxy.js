// expect: timeout exceeded_wall_time, within 2 s
export default new Proxy({}, { get(t, k) { if (k === 'run') return () => { for (;;); }; } });
