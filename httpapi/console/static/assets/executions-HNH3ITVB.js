import{a,b,c}from"./chunk-7RIYWCBJ.js";import"./chunk-XPED3G57.js";import"./chunk-DF2XYMRV.js";import"./chunk-LUZ3G6J2.js";export{c as default,b as executionColumns,a as whatOf};
