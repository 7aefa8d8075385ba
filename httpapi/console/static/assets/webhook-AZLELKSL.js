import{b as e}from"./chunk-MC64QSAI.js";import"./chunk-Y4CKGNOA.js";import"./chunk-VGNYBNWP.js";import"./chunk-GZFGZOJZ.js";import"./chunk-XWH3L4BQ.js";export{e as default};
