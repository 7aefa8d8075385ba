import{a,b}from"./chunk-MC64QSAI.js";import"./chunk-Y4CKGNOA.js";import"./chunk-VGNYBNWP.js";import"./chunk-GZFGZOJZ.js";import"./chunk-XWH3L4BQ.js";export{b as WebhookPage,a as default};
