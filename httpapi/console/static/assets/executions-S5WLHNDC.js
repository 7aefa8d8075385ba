import{a,b,c}from"./chunk-EDSHPQWX.js";import"./chunk-N32Q5TWK.js";import"./chunk-55HPCUQU.js";import"./chunk-GZBNFN5A.js";export{c as default,b as executionColumns,a as whatOf};
