import{a,b,c}from"./chunk-47V6IINZ.js";import"./chunk-4QVWUSHP.js";import"./chunk-XH54ICSQ.js";import"./chunk-MVIZQLZS.js";export{c as default,b as executionColumns,a as whatOf};
